#include "api/anthropic.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "api/fields.h"
#include "api/openai_fields.h"

namespace axollama::api {
namespace {

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// Only data that came with the request: nothing is fetched for a client.
Status CheckImage(const Reader& block) {
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> source, block.Inner("source"));
  if (!source) return Bad("invalid image source");
  AX_ASSIGN_OR_RETURN(const std::string type, source->Text("type"));
  if (type == "base64") return {};
  return Bad(fmt::format("invalid image source type: {}. Only base64 images are supported.", type));
}

// Text, or blocks of text and images, of a system prompt or a tool's result.
Status ReadTexts(const Reader& reader, std::string_view key, std::string* text, bool* has_images) {
  const json::Value* value = reader.Find(key);
  if (value == nullptr) return {};
  if (value->is_string()) {
    *text = json::View(value->get_string());
    return {};
  }
  AX_ASSIGN_OR_RETURN(const std::vector<Reader> blocks, reader.Items(key));
  for (const Reader& block : blocks) {
    AX_ASSIGN_OR_RETURN(const std::string type, block.Text("type"));
    if (type == "text") {
      AX_ASSIGN_OR_RETURN(const std::string part, block.Text("text"));
      *text += part;
    } else if (type == "image" && has_images != nullptr) {
      AX_RETURN_IF_ERROR(CheckImage(block));
      *has_images = true;
    } else {
      return Fail(block.Bad("type", fmt::format("is {}, which is not supported here",
                                                json::Write(json::Value(type)))));
    }
  }
  return {};
}

// One message of the client's: the results of tools come first, as messages of their own.
class MessageReader {
 public:
  MessageReader(const Reader& message, CallNames* names, std::vector<Message>* out)
      : message_(message), names_(names), out_(out) {}

  Status Read() {
    AX_ASSIGN_OR_RETURN(own_.role, message_.Text("role"));
    if (own_.role != "user" && own_.role != "assistant" && own_.role != "system") {
      return Fail(message_.Bad("role", "must be user, assistant or system"));
    }
    const json::Value* content = message_.Find("content");
    if (content == nullptr) return Fail(message_.Bad("content", "is required"));
    if (content->is_string()) {
      own_.content = json::View(content->get_string());
    } else {
      AX_ASSIGN_OR_RETURN(const std::vector<Reader> blocks, message_.Items("content"));
      for (const Reader& block : blocks) AX_RETURN_IF_ERROR(ReadBlock(block));
    }
    const bool empty = own_.content.empty() && own_.thinking.empty() && own_.tool_calls.empty() &&
                       !own_.has_images;
    // A message of results only is no message besides.
    if (!empty || !results_) out_->push_back(std::move(own_));
    return {};
  }

 private:
  Status ReadBlock(const Reader& block) {
    AX_ASSIGN_OR_RETURN(const std::string type, block.Text("type"));
    if (type == "text") {
      AX_ASSIGN_OR_RETURN(const std::string text, block.Text("text"));
      own_.content += text;
    } else if (type == "thinking") {
      AX_ASSIGN_OR_RETURN(const std::string thinking, block.Text("thinking"));
      own_.thinking += thinking;
    } else if (type == "image") {
      AX_RETURN_IF_ERROR(CheckImage(block));
      own_.has_images = true;
    } else if (type == "tool_use") {
      return ReadCall(block);
    } else if (type == "tool_result") {
      return ReadResult(block);
    } else if (type != "redacted_thinking") {  // which nobody but its author can read
      return Fail(block.Bad(
          "type", fmt::format("is {}, which is not supported", json::Write(json::Value(type)))));
    }
    return {};
  }

  Status ReadCall(const Reader& block) {
    ToolCall call;
    AX_ASSIGN_OR_RETURN(call.id, block.Text("id"));
    if (call.id.empty()) return Bad("tool_use block missing required 'id' field");
    AX_ASSIGN_OR_RETURN(call.name, block.Text("name"));
    if (call.name.empty()) return Bad("tool_use block missing required 'name' field");
    call.index = static_cast<int64_t>(own_.tool_calls.size());
    AX_ASSIGN_OR_RETURN(const std::optional<Reader> input, block.Inner("input"));
    call.arguments_json = input ? json::Write(input->object()) : "{}";
    names_->Add(call);
    own_.tool_calls.push_back(std::move(call));
    return {};
  }

  Status ReadResult(const Reader& block) {
    Message result;
    result.role = "tool";
    AX_ASSIGN_OR_RETURN(result.tool_call_id, block.Text("tool_use_id"));
    AX_RETURN_IF_ERROR(ReadTexts(block, "content", &result.content, &result.has_images));
    result.tool_name = names_->Of(result.tool_call_id);
    results_ = true;
    out_->push_back(std::move(result));
    return {};
  }

  const Reader& message_;
  CallNames* const names_;
  std::vector<Message>* const out_;
  Message own_;
  bool results_ = false;
};

Result<ToolChoice> ReadChoice(const Reader& request, const json::Array& tools, Turn* turn) {
  ToolChoice choice;
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> object, request.Inner("tool_choice"));
  if (!object) return choice;
  AX_ASSIGN_OR_RETURN(const std::string type, object->Text("type"));
  AX_ASSIGN_OR_RETURN(const bool one, object->Flag("disable_parallel_tool_use", false));
  turn->parallel_tool_calls = !one;
  if (type == "any") {
    choice.kind = ToolChoice::Kind::kRequired;
  } else if (type == "none") {
    choice.kind = ToolChoice::Kind::kNone;
  } else if (type == "tool") {
    choice.kind = ToolChoice::Kind::kNamed;
    AX_ASSIGN_OR_RETURN(choice.name, object->Text("name"));
  } else if (type != "auto") {
    return Fail(object->Bad("type", "must be \"auto\", \"any\", \"tool\" or \"none\""));
  }
  AX_RETURN_IF_ERROR(CheckToolChoice(choice, tools, "tool_choice"));
  return choice;
}

Status ReadTools(const Reader& request, Turn* turn) {
  AX_ASSIGN_OR_RETURN(const std::vector<Reader> items, request.Items("tools"));
  json::Array tools;
  for (const Reader& item : items) {
    AX_ASSIGN_OR_RETURN(const std::string type, item.Text("type", "custom"));
    if (type != "custom") {
      return Fail(item.Bad("type", fmt::format("is {}: only tools that the client runs, with an "
                                               "input_schema, are supported",
                                               json::Write(json::Value(type)))));
    }
    AX_ASSIGN_OR_RETURN(json::Object tool, ReadFunction(item, "input_schema"));
    tools.push_back(std::move(tool));
  }
  AX_ASSIGN_OR_RETURN(turn->tool_choice, ReadChoice(request, tools, turn));
  if (!tools.empty()) turn->tools_json = json::Write(tools);
  return {};
}

// A model that cannot think answers without, since clients ask for it whatever the model is.
Status ReadThinking(const Reader& request, Turn* turn) {
  turn->think_if_able = true;
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> output, request.Inner("output_config"));
  if (output) {
    AX_ASSIGN_OR_RETURN(const std::string effort, output->Text("effort"));
    AX_ASSIGN_OR_RETURN(turn->think, ParseEffort(effort == "xhigh" ? "high" : effort));
  }
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> thinking, request.Inner("thinking"));
  if (!thinking) return {};
  AX_RETURN_IF_ERROR(thinking->Integer("budget_tokens"));
  AX_ASSIGN_OR_RETURN(const std::string type, thinking->Text("type"));
  if (type == "enabled") {
    turn->think = Think::kOn;
  } else if (type == "disabled") {
    turn->think = Think::kOff;
  } else if (type != "adaptive" && type != "between_tools") {
    return Fail(thinking->Bad(
        "type", "must be \"enabled\", \"disabled\", \"adaptive\" or \"between_tools\""));
  }
  return {};
}

// output_config.format, and output_format, its older name.
Status ReadFormat(const Reader& request, Turn* turn) {
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> output, request.Inner("output_config"));
  AX_ASSIGN_OR_RETURN(std::optional<Reader> format, request.Inner("output_format"));
  if (output && !format) {
    AX_ASSIGN_OR_RETURN(format, output->Inner("format"));
  }
  if (!format) return {};
  AX_ASSIGN_OR_RETURN(const std::string type, format->Text("type"));
  if (type != "json_schema") return Fail(format->Bad("type", "must be \"json_schema\""));
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> schema, format->Inner("schema"));
  if (!schema) return Fail(format->Bad("schema", "is required"));
  turn->format.kind = Format::Kind::kSchema;
  turn->format.schema_json = json::Write(schema->object());
  return {};
}

Result<AnthropicRequest> Parse(std::string_view body, bool count_only) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  const Reader reader(object);
  AnthropicRequest request;
  Turn& turn = request.turn;
  AX_ASSIGN_OR_RETURN(turn.model, reader.Text("model"));
  if (turn.model.empty()) return Bad("model is required");
  if (!count_only) {
    AX_ASSIGN_OR_RETURN(const std::optional<int64_t> max_tokens, reader.Integer("max_tokens"));
    if (max_tokens.value_or(0) <= 0) return Bad("max_tokens is required and must be positive");
    turn.options.num_predict = max_tokens;
  }
  AX_ASSIGN_OR_RETURN(request.stream, reader.Flag("stream", false));
  Message system;
  system.role = "system";
  AX_RETURN_IF_ERROR(ReadTexts(reader, "system", &system.content, nullptr));
  if (!system.content.empty()) turn.messages.push_back(std::move(system));
  AX_ASSIGN_OR_RETURN(const std::vector<Reader> messages, reader.Items("messages"));
  if (messages.empty()) return Bad("messages is required");
  CallNames names;
  for (const Reader& message : messages) {
    AX_RETURN_IF_ERROR(MessageReader(message, &names, &turn.messages).Read());
  }
  AX_RETURN_IF_ERROR(ReadTools(reader, &turn));
  AX_ASSIGN_OR_RETURN(turn.options.temperature, reader.Number("temperature"));
  AX_ASSIGN_OR_RETURN(turn.options.top_p, reader.Number("top_p"));
  AX_ASSIGN_OR_RETURN(turn.options.top_k, reader.Integer("top_k"));
  AX_ASSIGN_OR_RETURN(std::vector<std::string> stop, reader.Texts("stop_sequences"));
  if (!stop.empty()) turn.options.stop = std::move(stop);
  AX_RETURN_IF_ERROR(ReadThinking(reader, &turn));
  AX_RETURN_IF_ERROR(ReadFormat(reader, &turn));
  return request;
}

}  // namespace

Result<AnthropicRequest> ParseAnthropic(std::string_view body) { return Parse(body, false); }

Result<AnthropicRequest> ParseAnthropicCount(std::string_view body) { return Parse(body, true); }

}  // namespace axollama::api
