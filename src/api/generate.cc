#include "api/generate.h"

#include <fmt/format.h>

#include <limits>

#include "api/errors.h"
#include "api/keep_alive.h"
#include "api/refusals.h"
#include "api/statistics.h"
#include "base/clock.h"
#include "base/json.h"

namespace axollama::api {
namespace {

constexpr std::string_view kDefaultTemplate = "{{ .Prompt }}";  // what stock Ollama forwards

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

Result<std::vector<int32_t>> ParseContext(const json::Object& request) {
  std::vector<int32_t> context;
  const json::Value* value = json::Find(request, "context");
  if (value == nullptr) return context;
  if (!value->is_array()) return Bad("\"context\" must be an array of token ids");
  for (const json::Value& item : value->get_array()) {
    const bool whole = item.is_int64() && item.get_int64() >= 0 &&
                       item.get_int64() <= std::numeric_limits<int32_t>::max();
    if (!whole) return Bad("\"context\" must be an array of token ids");
    context.push_back(static_cast<int32_t>(item.get_int64()));
  }
  return context;
}

}  // namespace

Result<GenerateRequest> ParseGenerate(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  GenerateRequest request;
  AX_ASSIGN_OR_RETURN(request.model, json::GetString(object, "model", ""));
  AX_ASSIGN_OR_RETURN(request.prompt, json::GetString(object, "prompt", ""));
  AX_ASSIGN_OR_RETURN(request.system, json::GetString(object, "system", ""));
  AX_ASSIGN_OR_RETURN(const std::string suffix, json::GetString(object, "suffix", ""));
  AX_ASSIGN_OR_RETURN(const std::string text, json::GetString(object, "template", ""));
  AX_ASSIGN_OR_RETURN(request.context, ParseContext(object));
  AX_ASSIGN_OR_RETURN(request.stream, json::GetBool(object, "stream", true));
  AX_ASSIGN_OR_RETURN(request.raw, json::GetBool(object, "raw", false));
  AX_ASSIGN_OR_RETURN(request.keep_alive_ns, ParseKeepAlive(object));
  AX_ASSIGN_OR_RETURN(request.options, ParseOptions(object));
  Refusal refusal;
  const bool own_template = !text.empty() && text != kDefaultTemplate;
  if (request.raw && (own_template || !request.system.empty() || !request.context.empty())) {
    refusal.Add("raw mode does not support template, system, or context");
  }
  AX_RETURN_IF_ERROR(RefuseUnsupported(object, request.model, &refusal));
  if (own_template) refusal.Add("\"template\" is not supported yet: leave it out");
  if (!suffix.empty()) {
    refusal.Add(fmt::format("{} does not support insert", FullModelName(request.model)));
  }
  request.refused = refusal.Take();
  return request;
}

void AddStatistics(const Statistics& statistics, json::Object* object) {
  const std::pair<const char*, int64_t> fields[] = {
      {"total_duration", statistics.total_ns},
      {"load_duration", statistics.load_ns},
      {"prompt_eval_count", statistics.prompt_tokens},
      {"prompt_eval_duration", statistics.prompt_ns},
      {"eval_count", statistics.eval_tokens},
      {"eval_duration", statistics.eval_ns},
  };
  for (const auto& [name, value] : fields) {
    if (value != 0) object->emplace(name, value);
  }
}

std::string WriteGenerateChunk(std::string_view model, int64_t created_ns, std::string_view text) {
  return json::Write(json::Object{{"model", model},
                                  {"created_at", FormatTime(created_ns)},
                                  {"response", text},
                                  {"done", false}});
}

std::string WriteGenerateFinal(std::string_view model, int64_t created_ns, std::string_view text,
                               std::string_view done_reason, const std::vector<int32_t>& context,
                               const Statistics& statistics) {
  json::Object object{{"model", model},
                      {"created_at", FormatTime(created_ns)},
                      {"response", text},
                      {"done", true},
                      {"done_reason", done_reason}};
  if (!context.empty()) object.emplace("context", json::Array(context.begin(), context.end()));
  AddStatistics(statistics, &object);
  return json::Write(object);
}

std::string WriteGenerateLoaded(std::string_view model, int64_t created_ns,
                                std::string_view done_reason) {
  return WriteGenerateFinal(model, created_ns, "", done_reason, {}, {});
}

}  // namespace axollama::api
