#include "api/generate.h"

#include <limits>

#include "api/answers.h"
#include "api/fields.h"
#include "base/clock.h"
#include "base/json.h"

namespace axollama::api {
namespace {

// What stock Ollama forwards when a model has no template of its own: no override.
constexpr std::string_view kDefaultTemplate = "{{ .Prompt }}";

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

json::Object Head(std::string_view model, int64_t created_ns, const Piece& piece, bool done) {
  json::Object object{
      {"model", model}, {"created_at", FormatTime(created_ns)}, {"response", piece.content}};
  if (!piece.thinking.empty()) object.emplace("thinking", piece.thinking);
  object.emplace("done", done);
  return object;
}

// What comes after the statistics.
std::string WithTail(const Piece& piece, json::Object object) {
  if (!piece.calls.empty()) object.emplace("tool_calls", WriteToolCalls(piece.calls));
  AddLogprobs(piece.logprobs, &object);
  return json::Write(object);
}

}  // namespace

Result<NativeRequest> ParseGenerate(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  NativeRequest request;
  AX_RETURN_IF_ERROR(ReadCommon(object, &request));
  PlainPrompt& plain = request.turn.plain.emplace();
  AX_ASSIGN_OR_RETURN(plain.prompt, json::GetString(object, "prompt", ""));
  AX_ASSIGN_OR_RETURN(plain.suffix, json::GetString(object, "suffix", ""));
  AX_ASSIGN_OR_RETURN(plain.system, json::GetString(object, "system", ""));
  AX_ASSIGN_OR_RETURN(std::string text, json::GetString(object, "template", ""));
  AX_ASSIGN_OR_RETURN(plain.context, ParseContext(object));
  AX_ASSIGN_OR_RETURN(plain.raw, json::GetBool(object, "raw", false));
  AX_ASSIGN_OR_RETURN(plain.has_images, HasImages(object, "images"));
  if (!text.empty() && text != kDefaultTemplate) plain.go_template = std::move(text);
  if (plain.raw && (plain.go_template || !plain.system.empty() || !plain.context.empty())) {
    request.refused =
        Error{ErrorKind::kInvalid, "raw mode does not support template, system, or context"};
  }
  return request;
}

std::string WriteGeneratePiece(std::string_view model, int64_t created_ns, const Piece& piece) {
  return WithTail(piece, Head(model, created_ns, piece, false));
}

std::string WriteGenerateFinal(std::string_view model, int64_t created_ns, const Piece& whole,
                               const Finish& finish, const std::vector<int32_t>& context) {
  json::Object object = Head(model, created_ns, whole, true);
  object.emplace("done_reason", finish.done_reason);
  if (!context.empty()) object.emplace("context", json::Array(context.begin(), context.end()));
  AddStatistics(finish, &object);
  return WithTail(whole, std::move(object));
}

std::string WriteGenerateLoaded(std::string_view model, int64_t created_ns,
                                std::string_view done_reason) {
  Finish finish;
  finish.done_reason = done_reason;
  return WriteGenerateFinal(model, created_ns, {}, finish, {});
}

std::string WriteGenerateRendered(std::string_view model, int64_t created_ns,
                                  std::string_view prompt) {
  json::Object object = Head(model, created_ns, {}, false);
  object.emplace("_debug_info", json::Object{{"rendered_template", prompt}});
  return json::Write(object);
}

}  // namespace axollama::api
