#include "api/chat.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/answers.h"
#include "api/fields.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/json_writer.h"

namespace axollama::api {
namespace {

constexpr std::string_view kRoles[] = {"system", "user", "assistant", "tool"};

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// A string of `object`, which stands at `place` in the request; the errors say so.
Result<std::string> Text(const json::Object& object, std::string_view place, std::string_view key) {
  const json::Value* value = json::Find(object, key);
  if (value == nullptr) return "";
  if (!value->is_string()) return Bad(fmt::format("\"{}.{}\" must be a string", place, key));
  return std::string(json::View(value->get_string()));
}

Result<ToolCall> ParseToolCall(const json::Value& value, const std::string& place) {
  if (!value.is_object()) return Bad(fmt::format("\"{}\" must be an object", place));
  ToolCall call;
  AX_ASSIGN_OR_RETURN(call.id, Text(value.get_object(), place, "id"));
  const json::Value* function = json::Find(value.get_object(), "function");
  if (function == nullptr || !function->is_object()) {
    return Bad(fmt::format("\"{}.function\" must be an object", place));
  }
  const json::Object& fields = function->get_object();
  const std::string inside = place + ".function";
  AX_ASSIGN_OR_RETURN(call.name, Text(fields, inside, "name"));
  AX_ASSIGN_OR_RETURN(call.index, json::GetInt(fields, "index", 0));
  const json::Value* arguments = json::Find(fields, "arguments");
  if (arguments == nullptr) {
    call.arguments_json = "{}";
  } else if (arguments->is_object()) {
    call.arguments_json = json::Write(*arguments);
  } else {
    return Bad(fmt::format("\"{}.arguments\" must be an object", inside));
  }
  return call;
}

Result<Message> ParseMessage(const json::Value& value, const std::string& place) {
  if (!value.is_object()) return Bad(fmt::format("\"{}\" must be an object", place));
  const json::Object& object = value.get_object();
  Message message;
  AX_ASSIGN_OR_RETURN(message.role, Text(object, place, "role"));
  for (char& c : message.role) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (std::find(std::begin(kRoles), std::end(kRoles), message.role) == std::end(kRoles)) {
    return Bad(fmt::format("\"{}.role\" must be system, user, assistant or tool", place));
  }
  AX_ASSIGN_OR_RETURN(message.content, Text(object, place, "content"));
  AX_ASSIGN_OR_RETURN(message.thinking, Text(object, place, "thinking"));
  AX_ASSIGN_OR_RETURN(message.tool_name, Text(object, place, "tool_name"));
  AX_ASSIGN_OR_RETURN(message.tool_call_id, Text(object, place, "tool_call_id"));
  AX_ASSIGN_OR_RETURN(message.has_images, HasImages(object, place + ".images"));
  if (const json::Value* calls = json::Find(object, "tool_calls")) {
    if (!calls->is_array()) return Bad(fmt::format("\"{}.tool_calls\" must be an array", place));
    for (const json::Value& call : calls->get_array()) {
      AX_ASSIGN_OR_RETURN(
          ToolCall parsed,
          ParseToolCall(call, fmt::format("{}.tool_calls[{}]", place, message.tool_calls.size())));
      message.tool_calls.push_back(std::move(parsed));
    }
  }
  return message;
}

// The tools as the request has them, for the template; what every template needs of them is
// checked.
Result<std::string> ParseTools(const json::Object& request) {
  const json::Value* tools = json::Find(request, "tools");
  if (tools == nullptr) return "";
  if (!tools->is_array()) return Bad("\"tools\" must be an array");
  const json::Array& array = tools->get_array();
  if (array.empty()) return "";
  for (size_t i = 0; i < array.size(); ++i) {
    const std::string place = fmt::format("tools[{}]", i);
    const json::Object* tool = array[i].if_object();
    const json::Value* function = tool == nullptr ? nullptr : json::Find(*tool, "function");
    if (function == nullptr || !function->is_object()) {
      return Bad(fmt::format("\"{}\" must be an object with a \"function\"", place));
    }
    AX_ASSIGN_OR_RETURN(const std::string name,
                        Text(function->get_object(), place + ".function", "name"));
    if (name.empty()) return Bad(fmt::format("\"{}.function.name\" is missing", place));
    const json::Value* parameters = json::Find(function->get_object(), "parameters");
    if (parameters != nullptr && !parameters->is_object()) {
      return Bad(fmt::format("\"{}.function.parameters\" must be an object", place));
    }
  }
  return json::Write(*tools);
}

void AddHead(std::string_view model, int64_t created_ns, const Piece& piece, bool done,
             json::ObjectWriter* line) {
  line->Add("model", model);
  line->Add("created_at", FormatTime(created_ns));
  json::ObjectWriter message = line->AddObject("message");
  message.Add("role", "assistant");
  message.Add("content", piece.content);
  if (!piece.thinking.empty()) message.Add("thinking", piece.thinking);
  if (!piece.calls.empty()) message.Add("tool_calls", WriteToolCalls(piece.calls));
  message.End();
  line->Add("done", done);
}

}  // namespace

Result<NativeRequest> ParseChat(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  NativeRequest request;
  AX_RETURN_IF_ERROR(ReadCommon(object, &request));
  Turn& turn = request.turn;
  if (turn.model.empty()) return Bad("model is required");
  if (const json::Value* messages = json::Find(object, "messages")) {
    if (!messages->is_array()) return Bad("\"messages\" must be an array");
    for (const json::Value& value : messages->get_array()) {
      AX_ASSIGN_OR_RETURN(Message message,
                          ParseMessage(value, fmt::format("messages[{}]", turn.messages.size())));
      turn.messages.push_back(std::move(message));
    }
  }
  AX_ASSIGN_OR_RETURN(turn.tools_json, ParseTools(object));
  return request;
}

std::string WriteChatPiece(std::string_view model, int64_t created_ns, const Piece& piece) {
  std::string line;
  json::ObjectWriter object(&line);
  AddHead(model, created_ns, piece, false, &object);
  AddLogprobs(piece.logprobs, &object);
  object.End();
  return line;
}

std::string WriteChatFinal(std::string_view model, int64_t created_ns, const Piece& whole,
                           const Finish& finish) {
  std::string line;
  json::ObjectWriter object(&line);
  AddHead(model, created_ns, whole, true, &object);
  object.Add("done_reason", finish.done_reason);
  AddLogprobs(whole.logprobs, &object);
  AddStatistics(finish, &object);
  object.End();
  return line;
}

std::string WriteChatLoaded(std::string_view model, int64_t created_ns,
                            std::string_view done_reason) {
  Finish finish;
  finish.done_reason = done_reason;
  return WriteChatFinal(model, created_ns, {}, finish);
}

std::string WriteChatRendered(std::string_view model, int64_t created_ns, std::string_view prompt) {
  std::string line;
  json::ObjectWriter object(&line);
  AddHead(model, created_ns, {}, false, &object);
  object.Add("_debug_info", json::Object{{"rendered_template", prompt}});
  object.End();
  return line;
}

}  // namespace axollama::api
