#include "api/responses_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "api/openai_fields.h"

namespace axollama::api {
namespace {

class InputReader {
 public:
  explicit InputReader(std::vector<Message>* out) : out_(out) {}

  // `next`: the item after it, or nullptr.
  Status Take(const Reader& item, const Reader* next) {
    AX_ASSIGN_OR_RETURN(std::string type, item.Text("type"));
    if (type.empty() && item.Find("role") != nullptr) type = "message";
    if (type == "message") return TakeMessage(item, next);
    if (type == "function_call") return TakeCall(item);
    if (type == "function_call_output") return TakeOutput(item);
    if (type == "reasoning") return TakeReasoning(item);
    if (type == "web_search_call") return {};  // its result is in the message after it
    if (type.empty()) return Fail(item.Bad("type", "is required"));
    if (type == "item_reference") {
      return Fail(item.Bad("type",
                           "is \"item_reference\", but no response is stored here: send "
                           "the item itself"));
    }
    return Fail(item.Bad(
        "type", fmt::format("is {}, which is not supported", json::Write(json::Value(type)))));
  }

  void End() {
    if (!thinking_.empty()) Assistant();
  }

 private:
  // A message of the assistant's with the reasoning that came before it.
  Message& Assistant() {
    Message& message = out_->emplace_back();
    message.role = "assistant";
    message.thinking = std::exchange(thinking_, {});
    return message;
  }

  // Text, or parts of it and images.
  Status ReadContent(const Reader& item, std::string_view key, Message* out) {
    const json::Value* content = item.Find(key);
    if (content == nullptr) return {};
    if (content->is_string()) {
      out->content += json::View(content->get_string());
      return {};
    }
    AX_ASSIGN_OR_RETURN(const std::vector<Reader> parts, item.Items(key));
    for (const Reader& part : parts) {
      AX_ASSIGN_OR_RETURN(const std::string type, part.Text("type"));
      if (type == "input_text" || type == "output_text" || type == "text" || type == "refusal") {
        AX_ASSIGN_OR_RETURN(const std::string text,
                            part.Text(type == "refusal" ? "refusal" : "text"));
        out->content += text;
      } else if (type == "input_image") {
        AX_ASSIGN_OR_RETURN(const std::string url, part.Text("image_url"));
        AX_RETURN_IF_ERROR(CheckImageUrl(url));
        out->has_images = true;
      } else if (type == "input_file") {
        return Fail(ErrorKind::kInvalid, "file inputs are not currently supported");
      } else {
        return Fail(part.Bad("type", "must be \"input_text\", \"output_text\" or \"input_image\""));
      }
    }
    return {};
  }

  Status TakeMessage(const Reader& item, const Reader* next) {
    Message message;
    AX_ASSIGN_OR_RETURN(message.role, item.Text("role"));
    if (message.role == "developer") message.role = "system";
    if (message.role != "system" && message.role != "user" && message.role != "assistant") {
      return Fail(item.Bad("role", "must be system, developer, user or assistant"));
    }
    AX_RETURN_IF_ERROR(ReadContent(item, "content", &message));
    if (message.role == "assistant") {
      // Some clients send the assistant's words between a call and its output: they are one
      // message.
      Message* const last = out_->empty() ? nullptr : &out_->back();
      if (last != nullptr && next != nullptr && Answers(*next, *last)) {
        if (!last->content.empty() && !message.content.empty()) last->content += '\n';
        last->content += message.content;
        if (!thinking_.empty()) last->thinking = std::exchange(thinking_, {});
        return {};
      }
      message.thinking = std::exchange(thinking_, {});
    }
    out_->push_back(std::move(message));
    return {};
  }

  // Whether `item` is the output of a call in `message`.
  static bool Answers(const Reader& item, const Message& message) {
    const auto type = item.Text("type");
    const auto id = item.Text("call_id");
    if (!type || *type != "function_call_output" || !id) return false;
    return std::any_of(message.tool_calls.begin(), message.tool_calls.end(),
                       [&](const ToolCall& call) { return call.id == *id; });
  }

  Status TakeCall(const Reader& item) {
    ToolCall call;
    AX_ASSIGN_OR_RETURN(call.id, item.Text("call_id"));
    AX_ASSIGN_OR_RETURN(call.name, item.Text("name"));
    if (call.name.empty()) return Fail(item.Bad("name", "is required"));
    AX_ASSIGN_OR_RETURN(const std::string arguments, item.Text("arguments"));
    AX_ASSIGN_OR_RETURN(call.arguments_json, ParseCallArguments(arguments));
    const bool joins = !out_->empty() && out_->back().role == "assistant";
    Message& message = joins ? out_->back() : Assistant();
    if (!thinking_.empty()) message.thinking = std::exchange(thinking_, {});
    call.index = static_cast<int64_t>(message.tool_calls.size());
    names_.Add(call);
    message.tool_calls.push_back(std::move(call));
    return {};
  }

  Status TakeOutput(const Reader& item) {
    Message message;
    message.role = "tool";
    AX_ASSIGN_OR_RETURN(message.tool_call_id, item.Text("call_id"));
    AX_RETURN_IF_ERROR(ReadContent(item, "output", &message));
    message.tool_name = names_.Of(message.tool_call_id);
    out_->push_back(std::move(message));
    return {};
  }

  // What we sent as encrypted_content is the reasoning's plain text.
  Status TakeReasoning(const Reader& item) {
    AX_ASSIGN_OR_RETURN(thinking_, item.Text("encrypted_content"));
    if (!thinking_.empty()) return {};
    for (const char* const key : {"content", "summary"}) {
      AX_ASSIGN_OR_RETURN(const std::vector<Reader> parts, item.Items(key));
      for (const Reader& part : parts) {
        AX_ASSIGN_OR_RETURN(const std::string text, part.Text("text"));
        thinking_ += text;
      }
      if (!thinking_.empty()) break;
    }
    return {};
  }

  std::vector<Message>* const out_;
  CallNames names_;
  std::string thinking_;  // of the message to come
};

}  // namespace

Status ReadResponsesInput(const Reader& request, std::vector<Message>* messages) {
  const json::Value* input = request.Find("input");
  if (input == nullptr) return Fail(request.Bad("input", "is required"));
  if (input->is_string()) {
    Message message;
    message.role = "user";
    message.content = json::View(input->get_string());
    messages->push_back(std::move(message));
    return {};
  }
  if (!input->is_array()) {
    return Fail(request.Bad("input", "must be a string or an array of items"));
  }
  AX_ASSIGN_OR_RETURN(const std::vector<Reader> items, request.Items("input"));
  if (items.empty()) return Fail(request.Bad("input", "must not be empty"));
  InputReader reader(messages);
  for (size_t i = 0; i < items.size(); ++i) {
    AX_RETURN_IF_ERROR(reader.Take(items[i], i + 1 < items.size() ? &items[i + 1] : nullptr));
  }
  reader.End();
  return {};
}

}  // namespace axollama::api
