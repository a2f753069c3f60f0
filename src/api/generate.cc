#include "api/generate.h"

#include <limits>

#include "api/answers.h"
#include "api/fields.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_writer.h"

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

void AddHead(std::string_view model, int64_t created_ns, const Piece& piece, bool done,
             json::ObjectWriter* line) {
  line->Add("model", model);
  line->Add("created_at", FormatTime(created_ns));
  line->Add("response", piece.content);
  if (!piece.thinking.empty()) line->Add("thinking", piece.thinking);
  line->Add("done", done);
}

// What comes after the statistics.
void AddTail(const Piece& piece, json::ObjectWriter* line) {
  if (!piece.calls.empty()) line->Add("tool_calls", WriteToolCalls(piece.calls));
  AddLogprobs(piece.logprobs, line);
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
  std::string line;
  json::ObjectWriter object(&line);
  AddHead(model, created_ns, piece, false, &object);
  AddTail(piece, &object);
  object.End();
  return line;
}

std::string WriteGenerateFinal(std::string_view model, int64_t created_ns, const Piece& whole,
                               const Finish& finish, const std::vector<int32_t>& context) {
  std::string line;
  json::ObjectWriter object(&line);
  AddHead(model, created_ns, whole, true, &object);
  object.Add("done_reason", finish.done_reason);
  if (!context.empty()) object.Add("context", json::Array(context.begin(), context.end()));
  AddStatistics(finish, &object);
  AddTail(whole, &object);
  object.End();
  return line;
}

std::string WriteGenerateLoaded(std::string_view model, int64_t created_ns,
                                std::string_view done_reason) {
  Finish finish;
  finish.done_reason = done_reason;
  return WriteGenerateFinal(model, created_ns, {}, finish, {});
}

std::string WriteGenerateRendered(std::string_view model, int64_t created_ns,
                                  std::string_view prompt) {
  std::string line;
  json::ObjectWriter object(&line);
  AddHead(model, created_ns, {}, false, &object);
  object.Add("_debug_info", json::Object{{"rendered_template", prompt}});
  object.End();
  return line;
}

}  // namespace axollama::api
