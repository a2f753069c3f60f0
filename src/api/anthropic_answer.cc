#include "api/anthropic_answer.h"

#include <utility>

#include "api/sse.h"
#include "base/http_status.h"

namespace axollama::api {
namespace {

std::string_view StopReason(const Finish& finish) {
  if (finish.calls > 0) return "tool_use";
  if (finish.done_reason == "length") return "max_tokens";
  return finish.stop_sequence.empty() ? "end_turn" : "stop_sequence";
}

json::Value StopSequence(const Finish& finish) {
  if (finish.calls > 0 || finish.stop_sequence.empty()) return nullptr;
  return json::Value(finish.stop_sequence);
}

// Anthropic counts what was found in the cache beside the rest of the prompt.
json::Object Usage(const Finish& finish) {
  const auto prompt = static_cast<int64_t>(finish.prompt_tokens.size());
  return {{"input_tokens", prompt - finish.cached_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", finish.cached_tokens},
          {"output_tokens", finish.eval_tokens}};
}

json::Object MessageObject(const AnthropicHead& head, json::Array content) {
  return {{"id", head.id},
          {"type", "message"},
          {"role", "assistant"},
          {"model", head.model},
          {"content", std::move(content)},
          {"stop_reason", nullptr},
          {"stop_sequence", nullptr}};
}

// Nothing here signs thinking; clients expect the field.
json::Object ThinkingBlock(std::string_view thinking) {
  return {{"type", "thinking"}, {"thinking", thinking}, {"signature", ""}};
}

json::Object TextBlock(std::string_view text) { return {{"type", "text"}, {"text", text}}; }

json::Object CallBlock(std::string_view id, std::string_view name, json::Object input) {
  return {{"type", "tool_use"}, {"id", id}, {"name", name}, {"input", std::move(input)}};
}

std::string_view ErrorType(int status) {
  switch (status) {
    case 400:
      return "invalid_request_error";
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
    case 529:
      return "overloaded_error";
    default:
      return "api_error";
  }
}

json::Object ErrorObject(int status, std::string_view message) {
  return {{"type", "error"},
          {"error", json::Object{{"type", ErrorType(status)}, {"message", message}}}};
}

}  // namespace

std::string WriteAnthropic(const AnthropicHead& head, const Piece& answer, const Finish& finish) {
  json::Array content;
  if (!answer.thinking.empty()) content.push_back(ThinkingBlock(answer.thinking));
  if (!answer.content.empty()) content.push_back(TextBlock(answer.content));
  for (const ToolCall& call : answer.calls) {
    auto input = json::ParseObject(call.arguments_json, "arguments");
    content.push_back(CallBlock(call.id, call.name, input ? std::move(*input) : json::Object()));
  }
  json::Object message = MessageObject(head, std::move(content));
  message["stop_reason"] = StopReason(finish);
  message["stop_sequence"] = StopSequence(finish);
  message.emplace("usage", Usage(finish));
  return json::Write(message);
}

std::string WriteAnthropicCount(int64_t tokens) {
  return json::Write(json::Object{{"input_tokens", tokens}});
}

std::string WriteAnthropicError(int status, std::string_view message, std::string_view request_id) {
  json::Object out = ErrorObject(status, message);
  out.emplace("request_id", request_id);
  return json::Write(out);
}

int AnthropicStatus(const Error& error) {
  return error.kind == ErrorKind::kBusy ? 529 : HttpStatus(error.kind);
}

void AnthropicStream::Begin(int64_t prompt_tokens, std::string* out) {
  if (std::exchange(begun_, true)) return;
  json::Object message = MessageObject(head_, {});
  message.emplace("usage", json::Object{{"input_tokens", prompt_tokens}, {"output_tokens", 0}});
  *out += SseEvent("message_start", {{"type", "message_start"}, {"message", std::move(message)}});
}

void AnthropicStream::Open(Block block, json::Object content, std::string* out) {
  Close(out);
  block_ = block;
  *out += SseEvent(
      "content_block_start",
      {{"type", "content_block_start"}, {"index", index_}, {"content_block", std::move(content)}});
}

void AnthropicStream::Close(std::string* out) {
  if (std::exchange(block_, Block::kNone) == Block::kNone) return;
  *out += SseEvent("content_block_stop", {{"type", "content_block_stop"}, {"index", index_++}});
}

void AnthropicStream::Delta(json::Object delta, std::string* out) const {
  *out +=
      SseEvent("content_block_delta",
               {{"type", "content_block_delta"}, {"index", index_}, {"delta", std::move(delta)}});
}

void AnthropicStream::TakeCall(const ToolCallDelta& delta, std::string* out) {
  if (!delta.name.empty()) Open(Block::kCall, CallBlock(delta.id, delta.name, {}), out);
  if (delta.arguments.empty()) return;
  Delta({{"type", "input_json_delta"}, {"partial_json", delta.arguments}}, out);
}

std::string AnthropicStream::Take(const Piece& piece) {
  std::string out;
  if (piece.thinking.empty() && piece.content.empty() && piece.call_deltas.empty()) return out;
  Begin(piece.prompt_tokens, &out);
  // What continues the open call comes before the text of this piece, new calls after it.
  auto delta = piece.call_deltas.begin();
  const auto end = piece.call_deltas.end();
  for (; delta != end && delta->name.empty(); ++delta) TakeCall(*delta, &out);
  if (!piece.thinking.empty()) {
    if (block_ != Block::kThinking) Open(Block::kThinking, ThinkingBlock(""), &out);
    Delta({{"type", "thinking_delta"}, {"thinking", piece.thinking}}, &out);
  }
  if (!piece.content.empty()) {
    if (block_ != Block::kText) Open(Block::kText, TextBlock(""), &out);
    Delta({{"type", "text_delta"}, {"text", piece.content}}, &out);
  }
  for (; delta != end; ++delta) TakeCall(*delta, &out);
  return out;
}

std::string AnthropicStream::End(const Finish& finish) {
  std::string out;
  Begin(static_cast<int64_t>(finish.prompt_tokens.size()), &out);
  Close(&out);
  out +=
      SseEvent("message_delta", {{"type", "message_delta"},
                                 {"delta", json::Object{{"stop_reason", StopReason(finish)},
                                                        {"stop_sequence", StopSequence(finish)}}},
                                 {"usage", Usage(finish)}});
  return out + SseEvent("message_stop", {{"type", "message_stop"}});
}

std::string AnthropicStream::Fail(int status, std::string_view message) const {
  return SseEvent("error", ErrorObject(status, message));
}

}  // namespace axollama::api
