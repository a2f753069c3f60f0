#include "api/fields.h"

#include <fmt/format.h>

#include <utility>

#include "api/keep_alive.h"

namespace axollama::api {
namespace {

constexpr std::pair<std::string_view, Think> kLevels[] = {
    {"high", Think::kHigh}, {"medium", Think::kMedium}, {"low", Think::kLow}, {"max", Think::kMax}};

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// Takes the value, or keeps the first error for later.
template <typename T>
void TakeOrRefuse(Result<T> from, T* to, std::optional<Error>* refused) {
  if (from) {
    *to = std::move(*from);
  } else if (!*refused) {
    *refused = std::move(from).error();
  }
}

}  // namespace

Result<json::Object> ParseBody(std::string_view body) {
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Bad("missing request body");
  }
  AX_ASSIGN_OR_RETURN(json::Value value, json::Parse(body));
  if (!value.is_object()) return Bad("the request body must be a JSON object");
  return std::move(value.get_object());
}

Result<bool> HasImages(const json::Object& object, std::string_view field) {
  const json::Value* images = json::Find(object, "images");
  if (images == nullptr) return false;
  if (!images->is_array()) return Bad(fmt::format("\"{}\" must be an array", field));
  return !images->get_array().empty();
}

Result<Think> ParseThink(const json::Object& request) {
  const json::Value* think = json::Find(request, "think");
  if (think == nullptr) return Think::kUnset;
  if (think->is_bool()) return think->get_bool() ? Think::kOn : Think::kOff;
  if (!think->is_string()) {
    return Bad(
        "\"think\" must be a boolean or string (\"high\", \"medium\", \"low\", \"max\", true, or "
        "false)");
  }
  for (const auto& [name, level] : kLevels) {
    if (json::View(think->get_string()) == name) return level;
  }
  return Bad(
      fmt::format("invalid think value: {} (must be \"high\", \"medium\", \"low\", \"max\", true, "
                  "or false)",
                  json::Write(*think)));
}

Result<Format> ParseFormat(const json::Object& request) {
  Format format;
  const json::Value* value = json::Find(request, "format");
  if (value == nullptr) return format;
  if (value->is_object()) {
    format.kind = Format::Kind::kSchema;
    format.schema_json = json::Write(*value);
    return format;
  }
  if (value->is_string()) {
    if (value->get_string().empty()) return format;
    if (value->get_string() == "json") {
      format.kind = Format::Kind::kJson;
      return format;
    }
  }
  // Ollama quotes the JSON as it stands, a string's own quotes too.
  return Bad(fmt::format("invalid format: {}; expected \"json\" or a valid JSON Schema object",
                         json::Write(json::Value(json::Write(*value)))));
}

Status ReadCommon(const json::Object& object, NativeRequest* request) {
  Turn& turn = request->turn;
  AX_ASSIGN_OR_RETURN(turn.model, json::GetString(object, "model", ""));
  AX_ASSIGN_OR_RETURN(request->stream, json::GetBool(object, "stream", true));
  AX_ASSIGN_OR_RETURN(turn.keep_alive_ns, ParseKeepAlive(object));
  AX_ASSIGN_OR_RETURN(turn.think, ParseThink(object));
  AX_ASSIGN_OR_RETURN(turn.truncate, json::GetBool(object, "truncate", true));
  AX_ASSIGN_OR_RETURN(turn.shift, json::GetBool(object, "shift", true));
  AX_ASSIGN_OR_RETURN(turn.logprobs, json::GetBool(object, "logprobs", false));
  AX_ASSIGN_OR_RETURN(turn.top_logprobs, json::GetInt(object, "top_logprobs", 0));
  AX_ASSIGN_OR_RETURN(request->render_only, json::GetBool(object, "_debug_render_only", false));
  if (turn.top_logprobs < 0 || turn.top_logprobs > 20) {
    return Bad("top_logprobs must be between 0 and 20");
  }
  if (const json::Value* options = json::Find(object, "options");
      options != nullptr && !options->is_object()) {
    return Bad("\"options\" must be an object");
  }
  TakeOrRefuse(ParseOptions(object), &turn.options, &request->refused);
  TakeOrRefuse(ParseFormat(object), &turn.format, &request->refused);
  return {};
}

}  // namespace axollama::api
