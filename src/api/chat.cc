#include "api/chat.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/errors.h"
#include "api/keep_alive.h"
#include "api/refusals.h"
#include "api/statistics.h"
#include "base/clock.h"
#include "base/json.h"

namespace axollama::api {
namespace {

constexpr std::string_view kRoles[] = {"system", "user", "assistant", "tool"};

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// A string of messages[i]; the errors name the place.
Result<std::string> Text(const json::Object& message, size_t index, std::string_view key) {
  const json::Value* value = json::Find(message, key);
  if (value == nullptr) return "";
  if (!value->is_string()) {
    return Bad(fmt::format("\"messages[{}].{}\" must be a string", index, key));
  }
  return std::string(json::View(value->get_string()));
}

Status RefuseTools(const json::Object& object, std::string_view key, std::string_view field,
                   std::string_view model, Refusal* refusal) {
  const json::Value* tools = json::Find(object, key);
  if (tools == nullptr) return {};
  if (!tools->is_array()) return Bad(fmt::format("\"{}\" must be an array", field));
  if (tools->get_array().empty()) return {};
  refusal->Add(fmt::format("{} does not support tools", FullModelName(model)));
  return {};
}

Result<Message> ParseMessage(const json::Value& value, size_t index, std::string_view model,
                             Refusal* refusal) {
  if (!value.is_object()) return Bad(fmt::format("\"messages[{}]\" must be an object", index));
  const json::Object& object = value.get_object();
  Message message;
  AX_ASSIGN_OR_RETURN(message.role, Text(object, index, "role"));
  for (char& c : message.role) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (std::find(std::begin(kRoles), std::end(kRoles), message.role) == std::end(kRoles)) {
    return Bad(fmt::format("\"messages[{}].role\" must be system, user, assistant or tool", index));
  }
  AX_ASSIGN_OR_RETURN(message.content, Text(object, index, "content"));
  AX_ASSIGN_OR_RETURN(message.thinking, Text(object, index, "thinking"));
  AX_ASSIGN_OR_RETURN(message.tool_name, Text(object, index, "tool_name"));
  AX_RETURN_IF_ERROR(Text(object, index, "tool_call_id"));
  AX_RETURN_IF_ERROR(RefuseTools(object, "tool_calls",
                                 fmt::format("messages[{}].tool_calls", index), model, refusal));
  AX_RETURN_IF_ERROR(
      RefuseImages(object, fmt::format("messages[{}].images", index), model, refusal));
  return message;
}

json::Object Head(std::string_view model, int64_t created_ns, std::string_view text, bool done) {
  return json::Object{{"model", model},
                      {"created_at", FormatTime(created_ns)},
                      {"message", json::Object{{"role", "assistant"}, {"content", text}}},
                      {"done", done}};
}

}  // namespace

Result<ChatRequest> ParseChat(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  ChatRequest request;
  AX_ASSIGN_OR_RETURN(request.model, json::GetString(object, "model", ""));
  AX_ASSIGN_OR_RETURN(request.stream, json::GetBool(object, "stream", true));
  AX_ASSIGN_OR_RETURN(request.keep_alive_ns, ParseKeepAlive(object));
  AX_ASSIGN_OR_RETURN(request.options, ParseOptions(object));
  if (request.model.empty()) return Bad("model is required");
  Refusal refusal;
  const json::Value* messages = json::Find(object, "messages");
  if (messages != nullptr) {
    if (!messages->is_array()) return Bad("\"messages\" must be an array");
    for (const json::Value& value : messages->get_array()) {
      AX_ASSIGN_OR_RETURN(Message message,
                          ParseMessage(value, request.messages.size(), request.model, &refusal));
      request.messages.push_back(std::move(message));
    }
  }
  AX_RETURN_IF_ERROR(RefuseTools(object, "tools", "tools", request.model, &refusal));
  AX_RETURN_IF_ERROR(RefuseUnsupported(object, request.model, &refusal));
  request.refused = refusal.Take();
  return request;
}

std::string WriteChatChunk(std::string_view model, int64_t created_ns, std::string_view text) {
  return json::Write(Head(model, created_ns, text, false));
}

std::string WriteChatFinal(std::string_view model, int64_t created_ns, std::string_view text,
                           std::string_view done_reason, const Statistics& statistics) {
  json::Object object = Head(model, created_ns, text, true);
  object.emplace("done_reason", done_reason);
  AddStatistics(statistics, &object);
  return json::Write(object);
}

std::string WriteChatLoaded(std::string_view model, int64_t created_ns,
                            std::string_view done_reason) {
  return WriteChatFinal(model, created_ns, "", done_reason, {});
}

}  // namespace axollama::api
