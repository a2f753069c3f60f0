#include "api/refusals.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/errors.h"

namespace axollama::api {
namespace {

constexpr std::string_view kThinkLevels[] = {"high", "medium", "low", "max"};

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// "json" or a schema ask for constrained output; null and "" are fields that were left empty.
Status CheckFormat(const json::Object& request, Refusal* refusal) {
  const json::Value* format = json::Find(request, "format");
  if (format == nullptr) return {};
  const bool text = format->is_string();
  if (text && format->get_string().empty()) return {};
  if ((text && format->get_string() == "json") || format->is_object()) {
    refusal->Add("\"format\" is not supported yet: leave it out");
    return {};
  }
  return Bad(fmt::format("invalid format: {}; expected \"json\" or a valid JSON Schema object",
                         json::Write(*format)));
}

Status CheckThink(const json::Object& request, std::string_view model, Refusal* refusal) {
  const json::Value* think = json::Find(request, "think");
  if (think == nullptr) return {};
  if (think->is_bool()) {
    if (!think->get_bool()) return {};
  } else if (think->is_string()) {
    const std::string_view level = json::View(think->get_string());
    if (std::find(std::begin(kThinkLevels), std::end(kThinkLevels), level) ==
        std::end(kThinkLevels)) {
      return Bad(
          fmt::format("invalid think value: {} (must be \"high\", \"medium\", \"low\", "
                      "\"max\", true, or false)",
                      json::Write(*think)));
    }
  } else {
    return Bad("\"think\" must be a boolean or one of \"high\", \"medium\", \"low\", \"max\"");
  }
  refusal->Add(fmt::format("\"{}\" does not support thinking", model));
  return {};
}

Status CheckLogprobs(const json::Object& request, Refusal* refusal) {
  AX_ASSIGN_OR_RETURN(const int64_t top, json::GetInt(request, "top_logprobs", 0));
  if (top < 0 || top > 20) return Bad("top_logprobs must be between 0 and 20");
  AX_ASSIGN_OR_RETURN(const bool wanted, json::GetBool(request, "logprobs", false));
  if (wanted) refusal->Add("\"logprobs\" is not supported yet: leave it out");
  return {};
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

Status RefuseImages(const json::Object& object, std::string_view field, std::string_view model,
                    Refusal* refusal) {
  const json::Value* images = json::Find(object, "images");
  if (images == nullptr) return {};
  if (!images->is_array()) return Bad(fmt::format("\"{}\" must be an array", field));
  if (images->get_array().empty()) return {};
  refusal->Add(fmt::format("{} does not support vision", FullModelName(model)));
  return {};
}

Status RefuseUnsupported(const json::Object& request, std::string_view model, Refusal* refusal) {
  AX_RETURN_IF_ERROR(CheckLogprobs(request, refusal));
  AX_RETURN_IF_ERROR(CheckFormat(request, refusal));
  AX_RETURN_IF_ERROR(CheckThink(request, model, refusal));
  AX_RETURN_IF_ERROR(RefuseImages(request, "images", model, refusal));
  AX_RETURN_IF_ERROR(json::GetBool(request, "truncate", true));
  AX_RETURN_IF_ERROR(json::GetBool(request, "shift", true));
  AX_ASSIGN_OR_RETURN(const bool debug, json::GetBool(request, "_debug_render_only", false));
  if (debug) refusal->Add("\"_debug_render_only\" is not supported yet: leave it out");
  return {};
}

}  // namespace axollama::api
