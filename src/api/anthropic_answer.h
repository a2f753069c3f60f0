// Anthropic's messages: the answer, whole or as events, and errors.
//
// Owner and threads: plain values; a stream is used by one thread. Source: facts 1.11 of the Ollama
// API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/turn.h"
#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

struct AnthropicHead {
  std::string id;     // msg_...
  std::string model;  // as the client spelled it
};

std::string WriteAnthropic(const AnthropicHead& head, const Piece& answer, const Finish& finish);

// {"input_tokens":N}
std::string WriteAnthropicCount(int64_t tokens);

// {"type":"error","error":{"type","message"},"request_id"}
std::string WriteAnthropicError(int status, std::string_view message, std::string_view request_id);

// The status of an error here: a server that is busy answers 529, which clients know to wait for.
int AnthropicStatus(const Error& error);

// The events of a streamed answer: Take... and End, or Fail. Blocks follow each other: thinking,
// text, then one for each call.
class AnthropicStream {
 public:
  explicit AnthropicStream(AnthropicHead head) : head_(std::move(head)) {}

  std::string Take(const Piece& piece);
  std::string End(const Finish& finish);
  std::string Fail(int status, std::string_view message) const;

 private:
  enum class Block { kNone, kThinking, kText, kCall };

  void Begin(int64_t prompt_tokens, std::string* out);
  void Open(Block block, json::Object content, std::string* out);
  void Close(std::string* out);
  void Delta(json::Object delta, std::string* out) const;
  void TakeCall(const ToolCallDelta& delta, std::string* out);

  const AnthropicHead head_;
  bool begun_ = false;
  Block block_ = Block::kNone;
  int64_t index_ = 0;  // of the block
};

}  // namespace axollama::api
