// One turn of a model, whatever API asked for it: each API's request is read into a Turn, and each
// API's answer is written from the Pieces and the Finish that come of it.
//
// Owner and threads: plain values. Units: durations in nanoseconds. Nothing here knows a socket.
// Source: facts 1.3 to 1.5 of the Ollama API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/options.h"

namespace axollama::api {

struct ToolCall {
  std::string id;  // call_ and 8 characters; empty in a request that names none
  int64_t index = 0;
  std::string name;
  std::string arguments_json;  // an object; its keys in the order in which they came
};

struct Message {
  std::string role;  // lower case: system, user, assistant or tool
  std::string content;
  std::string thinking;      // empty: none
  std::string tool_name;     // of a tool's answer; empty: none
  std::string tool_call_id;  // of a tool's answer; empty: none
  std::vector<ToolCall> tool_calls;
  bool has_images = false;  // no model here sees any: to be refused by capability
};

enum class Think { kUnset, kOff, kOn, kLow, kMedium, kHigh, kMax };

struct Format {
  enum class Kind { kNone, kJson, kSchema };
  Kind kind = Kind::kNone;
  std::string schema_json;  // of kSchema
};

struct ToolChoice {
  enum class Kind { kAuto, kNone, kRequired, kNamed };
  Kind kind = Kind::kAuto;
  std::string name;  // of kNamed
};

// A prompt that is no conversation: /api/generate, /v1/completions.
struct PlainPrompt {
  std::string prompt;
  std::string suffix;                      // empty: none
  std::string system;                      // empty: the model's own
  std::optional<std::string> go_template;  // absent: the model's own
  std::vector<int32_t> context;            // tokens of the turns before
  bool raw = false;                        // the prompt goes to the model as it is
  bool has_images = false;
};

struct Turn {
  std::string model;                 // as the client spelled it
  std::vector<Message> messages;     // of a conversation
  std::optional<PlainPrompt> plain;  // instead of one
  std::string tools_json;            // empty: none; else an array of {"type":"function","function"}
  ToolChoice tool_choice;
  bool parallel_tool_calls = true;
  Think think = Think::kUnset;
  bool think_if_able = false;  // a model that cannot think answers without, instead of a 400
  Format format;
  Options options;
  std::vector<std::pair<int32_t, double>> logit_bias;  // token, what is added to its logit
  bool logprobs = false;
  int64_t top_logprobs = 0;  // 0 to 20 more tokens for each
  bool truncate = true;      // drop the oldest messages of a conversation that is too long
  bool shift = true;         // forget the oldest half of what came when the context is full
  std::optional<int64_t> keep_alive_ns;
};

struct TokenLogprob {
  std::string token;  // its bytes; they may be a part of a character
  double logprob = 0;
  std::vector<std::pair<std::string, double>> top;
};

// A part of a call as it is being written. `id` and `name` come with its first part only.
struct ToolCallDelta {
  int64_t index = 0;
  std::string id, name;
  std::string arguments;  // the next bytes of its JSON
};

// What has come since the piece before. In each stream thinking comes first, then content, then
// calls; a piece may hold some of each.
struct Piece {
  int64_t prompt_tokens = 0;  // how long the prompt was
  std::string thinking, content;
  std::vector<ToolCallDelta> call_deltas;
  std::vector<ToolCall> calls;  // those that became complete with this piece
  std::vector<TokenLogprob> logprobs;
};

struct Finish {
  std::string done_reason;    // stop or length
  std::string stop_sequence;  // the client's own stop string that ended it, else empty
  int64_t calls = 0;          // complete tool calls in the answer
  std::vector<int32_t> prompt_tokens, tokens;
  int64_t cached_tokens = 0;    // of the prompt, found in the cache
  int64_t eval_tokens = 0;      // chosen by the model: `tokens` and the one that ended the answer
  int64_t thinking_tokens = 0;  // of these, those of the thinking, with its closing mark
  int64_t total_ns = 0, load_ns = 0, prompt_ns = 0, eval_ns = 0;
};

}  // namespace axollama::api
