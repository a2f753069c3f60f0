#include "api/openai_chat.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/fields.h"
#include "api/openai_fields.h"

namespace axollama::api {
namespace {

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

struct Role {
  std::string_view name, ours;
};
constexpr Role kRoles[] = {
    {"system", "system"},       {"developer", "system"}, {"user", "user"},
    {"assistant", "assistant"}, {"tool", "tool"},        {"function", "tool"},
};

// {"url":"data:..."}, or the address alone.
Result<std::string> ImageUrl(const Reader& part) {
  const json::Value* value = part.Find("image_url");
  if (value != nullptr && value->is_string()) return part.Text("image_url");
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> object, part.Inner("image_url"));
  if (!object) return Fail(part.Bad("image_url", "is required"));
  return object->Text("url");
}

// Parts of text stand on lines of their own, as in llama.cpp's server.
Status ReadParts(const Reader& message, Message* out) {
  AX_ASSIGN_OR_RETURN(const std::vector<Reader> parts, message.Items("content"));
  bool first = true;
  for (const Reader& part : parts) {
    AX_ASSIGN_OR_RETURN(const std::string type, part.Text("type"));
    if (type == "text" || type == "refusal") {
      AX_ASSIGN_OR_RETURN(const std::string text, part.Text(type));
      if (!first) out->content += '\n';
      out->content += text;
      first = false;
    } else if (type == "image_url") {
      AX_ASSIGN_OR_RETURN(const std::string url, ImageUrl(part));
      AX_RETURN_IF_ERROR(CheckImageUrl(url));
      out->has_images = true;
    } else {
      return Fail(part.Bad("type", "must be \"text\" or \"image_url\""));
    }
  }
  return {};
}

Status ReadCalls(const Reader& message, Message* out) {
  AX_ASSIGN_OR_RETURN(const std::vector<Reader> calls, message.Items("tool_calls"));
  for (const Reader& item : calls) {
    ToolCall call;
    AX_ASSIGN_OR_RETURN(const std::optional<Reader> function, item.Inner("function"));
    if (!function) return Fail(item.Bad("function", "is required"));
    AX_ASSIGN_OR_RETURN(call.id, item.Text("id"));
    call.index = static_cast<int64_t>(out->tool_calls.size());
    AX_ASSIGN_OR_RETURN(call.name, function->Text("name"));
    AX_ASSIGN_OR_RETURN(const std::string arguments, function->Text("arguments"));
    AX_ASSIGN_OR_RETURN(call.arguments_json, ParseCallArguments(arguments));
    out->tool_calls.push_back(std::move(call));
  }
  return {};
}

Result<Message> ReadMessage(const Reader& message, CallNames* names) {
  Message out;
  AX_ASSIGN_OR_RETURN(std::string role, message.Text("role"));
  for (char& c : role) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const auto* const known = std::find_if(std::begin(kRoles), std::end(kRoles),
                                         [&](const Role& entry) { return entry.name == role; });
  if (known == std::end(kRoles)) {
    return Fail(message.Bad("role", "must be system, developer, user, assistant or tool"));
  }
  out.role = known->ours;
  AX_RETURN_IF_ERROR(ReadCalls(message, &out));
  for (const ToolCall& call : out.tool_calls) names->Add(call);
  const json::Value* content = message.Find("content");
  if (content == nullptr) {
    // Only a message that calls tools may have none.
    if (out.tool_calls.empty()) return Fail(message.Bad("content", "is required"));
  } else if (content->is_string()) {
    out.content = json::View(content->get_string());
  } else if (content->is_array()) {
    AX_RETURN_IF_ERROR(ReadParts(message, &out));
  } else {
    return Fail(message.Bad("content", "must be a string or an array of parts"));
  }
  AX_ASSIGN_OR_RETURN(out.thinking, message.Text("reasoning"));
  if (out.thinking.empty()) {
    AX_ASSIGN_OR_RETURN(out.thinking, message.Text("reasoning_content"));
  }
  if (out.role == "tool") {
    AX_ASSIGN_OR_RETURN(out.tool_call_id, message.Text("tool_call_id"));
    AX_ASSIGN_OR_RETURN(out.tool_name, message.Text("name"));
    if (out.tool_name.empty()) out.tool_name = names->Of(out.tool_call_id);
  }
  return out;
}

Status ReadTools(const Reader& request, Turn* turn) {
  AX_ASSIGN_OR_RETURN(const std::vector<Reader> items, request.Items("tools"));
  json::Array tools;
  for (const Reader& item : items) {
    AX_ASSIGN_OR_RETURN(const std::string type, item.Text("type", "function"));
    if (type != "function") return Fail(item.Bad("type", "must be \"function\""));
    AX_ASSIGN_OR_RETURN(const std::optional<Reader> function, item.Inner("function"));
    if (!function) return Fail(item.Bad("function", "is required"));
    AX_ASSIGN_OR_RETURN(json::Object tool, ReadFunction(*function, "parameters"));
    tools.push_back(std::move(tool));
  }
  AX_ASSIGN_OR_RETURN(turn->tool_choice, ReadToolChoice(request, tools, true));
  AX_ASSIGN_OR_RETURN(turn->parallel_tool_calls, request.Flag("parallel_tool_calls", true));
  if (!tools.empty()) turn->tools_json = json::Write(tools);
  return {};
}

Result<Format> ReadFormat(const Reader& request) {
  Format format;
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> object, request.Inner("response_format"));
  if (!object) return format;
  AX_ASSIGN_OR_RETURN(const std::string type, object->Text("type", "text"));
  if (type == "json_object") {
    format.kind = Format::Kind::kJson;
  } else if (type == "json_schema") {
    AX_ASSIGN_OR_RETURN(const std::optional<Reader> outer, object->Inner("json_schema"));
    if (!outer) return Fail(object->Bad("json_schema", "is required"));
    AX_ASSIGN_OR_RETURN(const std::optional<Reader> schema, outer->Inner("schema"));
    if (!schema) return Fail(outer->Bad("schema", "is required"));
    format.kind = Format::Kind::kSchema;
    format.schema_json = json::Write(schema->object());
  } else if (type != "text") {
    return Fail(object->Bad("type", "must be \"text\", \"json_object\" or \"json_schema\""));
  }
  return format;
}

// The newer of the two names wins.
Status ReadLength(const Reader& request, Options* options) {
  AX_ASSIGN_OR_RETURN(options->num_predict, request.Integer("max_completion_tokens"));
  if (options->num_predict) return {};
  AX_ASSIGN_OR_RETURN(options->num_predict, request.Integer("max_tokens"));
  return {};
}

Status ReadThink(const Reader& request, Turn* turn) {
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> reasoning, request.Inner("reasoning"));
  std::string effort;
  if (reasoning) {
    AX_ASSIGN_OR_RETURN(effort, reasoning->Text("effort"));
  } else {
    AX_ASSIGN_OR_RETURN(effort, request.Text("reasoning_effort"));
  }
  AX_ASSIGN_OR_RETURN(turn->think, ParseEffort(effort));
  return {};
}

Status ReadLogprobs(const Reader& request, Turn* turn) {
  AX_ASSIGN_OR_RETURN(turn->logprobs, request.Flag("logprobs", false));
  AX_ASSIGN_OR_RETURN(const std::optional<int64_t> top, request.Integer("top_logprobs"));
  turn->top_logprobs = top.value_or(0);
  if (turn->top_logprobs < 0 || turn->top_logprobs > kMaxTopLogprobs) {
    return Bad("top_logprobs must be between 0 and 20");
  }
  if (turn->top_logprobs > 0 && !turn->logprobs) {
    return Bad("\"top_logprobs\" needs \"logprobs\": true");
  }
  return {};
}

// What would change the answer, and is not there.
Status RefuseMissing(const Reader& request) {
  for (const char* const key : {"functions", "function_call"}) {
    if (request.Find(key) != nullptr) {
      return Fail(request.Bad(key, "is not supported: use \"tools\" and \"tool_choice\""));
    }
  }
  if (request.Find("audio") != nullptr) return Bad("\"audio\" is not supported: leave it out");
  return {};
}

}  // namespace

Turn OpenAiChatRequest::Choice(int64_t index) const {
  Turn out = turn;
  if (out.options.seed) {
    *out.options.seed = static_cast<int64_t>(static_cast<uint64_t>(*out.options.seed) +
                                             static_cast<uint64_t>(index));
  }
  return out;
}

Result<OpenAiChatRequest> ParseOpenAiChat(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseBody(body));
  const Reader reader(object);
  OpenAiChatRequest request;
  Turn& turn = request.turn;
  AX_ASSIGN_OR_RETURN(turn.model, reader.Text("model"));
  if (turn.model.empty()) return Bad("model is required");
  AX_ASSIGN_OR_RETURN(request.stream, reader.Flag("stream", false));
  AX_ASSIGN_OR_RETURN(const std::optional<Reader> stream, reader.Inner("stream_options"));
  if (stream) {
    AX_ASSIGN_OR_RETURN(request.include_usage, stream->Flag("include_usage", false));
  }
  AX_ASSIGN_OR_RETURN(const std::optional<int64_t> n, reader.Integer("n"));
  request.n = n.value_or(1);
  if (request.n < 1 || request.n > kMaxChoices) {
    return Bad(fmt::format("\"n\" must be between 1 and {}", kMaxChoices));
  }
  AX_ASSIGN_OR_RETURN(const std::vector<Reader> messages, reader.Items("messages"));
  if (messages.empty()) return Bad("[] is too short - 'messages'");
  CallNames names;
  for (const Reader& message : messages) {
    AX_ASSIGN_OR_RETURN(Message read, ReadMessage(message, &names));
    turn.messages.push_back(std::move(read));
  }
  AX_RETURN_IF_ERROR(RefuseMissing(reader));
  AX_RETURN_IF_ERROR(ReadTools(reader, &turn));
  AX_RETURN_IF_ERROR(ReadSampling(reader, &turn.options));
  AX_RETURN_IF_ERROR(ReadPenaltiesSeedAndStop(reader, &turn.options));
  AX_RETURN_IF_ERROR(ReadLength(reader, &turn.options));
  AX_RETURN_IF_ERROR(ReadThink(reader, &turn));
  AX_RETURN_IF_ERROR(ReadLogprobs(reader, &turn));
  AX_ASSIGN_OR_RETURN(turn.logit_bias, ReadLogitBias(reader));
  AX_ASSIGN_OR_RETURN(turn.format, ReadFormat(reader));
  return request;
}

}  // namespace axollama::api
