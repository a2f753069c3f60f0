#include "api/runner.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "api/errors.h"
#include "api/protocol.h"
#include "base/json.h"

namespace axollama::api {
namespace {

Result<json::Object> ParseAnswer(std::string_view body) {
  auto object = json::ParseObject(body, "the answer");
  if (!object) return ProtocolError(object.error().message);
  return std::move(*object);
}

// Runs `read` and turns a wrong type into an error of the protocol.
template <typename F>
auto Reading(F read) -> decltype(read()) {
  auto result = read();
  if (!result && result.error().kind == ErrorKind::kInvalid) {
    return ProtocolError(result.error().message);
  }
  return result;
}

Result<json::Object> Nested(const json::Object& object, std::string_view key) {
  const json::Value* value = json::Find(object, key);
  if (value == nullptr || !value->is_object()) {
    return ProtocolError(fmt::format("no object \"{}\"", key));
  }
  return value->get_object();
}

// A uid of 64 bits does not fit a JSON number everywhere: it travels as hexadecimal text.
Result<uint64_t> Hex(const std::string& text) {
  const std::string_view digits = std::string_view(text).substr(text.starts_with("0x") ? 2 : 0);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (!digits.empty() && (error != std::errc() || end != digits.data() + digits.size())) {
    return ProtocolError(fmt::format("\"{}\" is no hexadecimal number", text));
  }
  return value;
}

Result<RunnerProps> ReadProps(const json::Object& object) {
  RunnerProps p;
  AX_ASSIGN_OR_RETURN(const json::Object defaults, Nested(object, "default_generation_settings"));
  AX_ASSIGN_OR_RETURN(const json::Object own, Nested(object, "axollama"));
  AX_ASSIGN_OR_RETURN(p.context_tokens, json::GetInt(defaults, "n_ctx", 0));
  AX_ASSIGN_OR_RETURN(p.chat_template, json::GetString(object, "chat_template", ""));
  AX_ASSIGN_OR_RETURN(p.model_path, json::GetString(object, "model_path", ""));
  AX_ASSIGN_OR_RETURN(p.backend, json::GetString(own, "backend", ""));
  AX_ASSIGN_OR_RETURN(p.card_id, json::GetInt(own, "card_id", 0));
  AX_ASSIGN_OR_RETURN(const std::string uid, json::GetString(own, "card_uid", ""));
  AX_ASSIGN_OR_RETURN(p.card_uid, Hex(uid));
  AX_ASSIGN_OR_RETURN(p.library, json::GetString(own, "library", ""));
  AX_ASSIGN_OR_RETURN(p.vocabulary_tokens, json::GetInt(own, "n_vocab", 0));
  AX_ASSIGN_OR_RETURN(p.chunk_tokens, json::GetInt(own, "chunk", 0));
  AX_ASSIGN_OR_RETURN(p.max_prompt_tokens, json::GetInt(own, "max_prompt", 0));
  AX_ASSIGN_OR_RETURN(p.layers, json::GetInt(own, "layers", 0));
  AX_ASSIGN_OR_RETURN(const int64_t cmm, json::GetInt(own, "cmm_bytes", 0));
  p.cmm_bytes = static_cast<uint64_t>(cmm);
  AX_ASSIGN_OR_RETURN(p.load_ms, json::GetDouble(own, "load_ms", 0));
  return p;
}

Result<std::string> ParseText(std::string_view body, std::string_view key) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseAnswer(body));
  if (json::Find(object, key) == nullptr) return ProtocolError(fmt::format("no \"{}\"", key));
  return Reading([&] { return json::GetString(object, key, ""); });
}

}  // namespace

tl::unexpected<Error> ProtocolError(std::string_view what) {
  return Fail(ErrorKind::kInternal, fmt::format("unexpected answer of the model runner: {}", what));
}

Result<std::vector<int32_t>> ReadTokens(const json::Object& object) {
  std::vector<int32_t> tokens;
  const json::Value* value = json::Find(object, "tokens");
  if (value == nullptr) return tokens;
  if (!value->is_array()) return ProtocolError("\"tokens\" is no array");
  for (const json::Value& item : value->get_array()) {
    if (!item.is_int64() || item.get_int64() < 0 ||
        item.get_int64() > std::numeric_limits<int32_t>::max()) {
      return ProtocolError("\"tokens\" holds something else than token ids");
    }
    tokens.push_back(static_cast<int32_t>(item.get_int64()));
  }
  return tokens;
}

Result<RunnerProps> ParseProps(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseAnswer(body));
  return Reading([&] { return ReadProps(object); });
}

std::string WriteTokenizeRequest(std::string_view text, bool add_special, bool parse_special) {
  return json::Write(json::Object{
      {"content", text}, {"add_special", add_special}, {"parse_special", parse_special}});
}

Result<std::vector<int32_t>> ParseTokens(std::string_view body) {
  AX_ASSIGN_OR_RETURN(const json::Object object, ParseAnswer(body));
  if (json::Find(object, "tokens") == nullptr) return ProtocolError("no \"tokens\"");
  return ReadTokens(object);
}

std::string WriteDetokenizeRequest(const std::vector<int32_t>& tokens) {
  return json::Write(json::Object{{"tokens", json::Array(tokens.begin(), tokens.end())}});
}

Result<std::string> ParseContent(std::string_view body) { return ParseText(body, "content"); }

json::Array TemplateMessages(const std::vector<Message>& messages) {
  json::Array list;
  for (const Message& m : messages) {
    json::Object object{{"role", m.role}, {"content", m.content}};
    // The key that Jinja templates of reasoning models read.
    if (!m.thinking.empty()) object.emplace("reasoning_content", m.thinking);
    if (!m.tool_name.empty()) object.emplace("name", m.tool_name);
    if (!m.tool_call_id.empty()) object.emplace("tool_call_id", m.tool_call_id);
    json::Array calls;
    for (const ToolCall& call : m.tool_calls) {
      auto arguments = json::ParseObject(call.arguments_json, "arguments");
      json::Object function{{"name", call.name}};
      function.emplace("arguments", arguments ? std::move(*arguments) : json::Object());
      json::Object entry{{"type", "function"}, {"function", std::move(function)}};
      if (!call.id.empty()) entry.emplace("id", call.id);
      calls.push_back(std::move(entry));
    }
    if (!calls.empty()) object.emplace("tool_calls", std::move(calls));
    list.push_back(std::move(object));
  }
  return list;
}

std::string WriteApplyTemplateRequest(const TemplateRequest& request) {
  json::Object object;
  object.emplace("messages", request.messages);
  if (auto tools = json::Parse(request.tools_json)) object.emplace("tools", std::move(*tools));
  json::Object more;
  if (request.enable_thinking) more.emplace("enable_thinking", *request.enable_thinking);
  if (!request.reasoning_effort.empty()) more.emplace("reasoning_effort", request.reasoning_effort);
  if (!more.empty()) object.emplace("chat_template_kwargs", std::move(more));
  if (request.go_template) {
    object.emplace("go_template", *request.go_template);
    if (!request.suffix.empty()) {
      object.emplace("prompt", request.prompt);
      object.emplace("suffix", request.suffix);
    }
  }
  return json::Write(object);
}

Result<std::string> ParsePrompt(std::string_view body) { return ParseText(body, "prompt"); }

Error ParseRunnerError(int status, std::string_view body) {
  const auto object = json::ParseObject(body, "the answer");
  const auto error = object ? Nested(*object, "error") : Result<json::Object>(json::Object());
  if (!error || error->empty()) {
    return ProtocolError(fmt::format("status {} without an error", status)).value();
  }
  std::string message = json::GetString(*error, "message", "").value_or("");
  if (message.empty()) message = fmt::format("status {}", status);
  const std::string type = json::GetString(*error, "type", "").value_or("");
  if (type == "exceed_context_size_error") {
    return PromptTooLong(json::GetInt(*error, "n_prompt_tokens", 0).value_or(0),
                         json::GetInt(*error, "n_ctx", 0).value_or(0));
  }
  if (type == "invalid_request_error") return {ErrorKind::kInvalid, message};
  if (type == "unavailable_error") return {ErrorKind::kUnavailable, message};
  if (type == "device_error") return {ErrorKind::kDevice, message};
  return {ErrorKind::kInternal, message};
}

}  // namespace axollama::api
