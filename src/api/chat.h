// Ollama's POST /api/chat: request and responses.
//
// Owner and threads: plain values. Units and errors as in generate.h.
// Source: facts 1.4 of the Ollama API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/generate.h"
#include "api/options.h"
#include "base/result.h"

namespace axollama::api {

struct Message {
  std::string role;  // lower case: system, user, assistant or tool
  std::string content;
  std::string thinking;   // empty: none
  std::string tool_name;  // of a tool's answer; empty: none
};

struct ChatRequest {
  std::string model;              // never empty
  std::vector<Message> messages;  // empty: load the model, or unload it with keep_alive 0
  bool stream = true;
  std::optional<int64_t> keep_alive_ns;
  Options options;
  std::optional<Error>
      refused;  // what it asks for and is not there: to be said if the model exists

  bool load_only() const { return messages.empty() && !unload(); }
  bool unload() const { return messages.empty() && keep_alive_ns == 0; }
};

// `refused` for now, 400: non-empty tools, tool calls in messages, format, images, logprobs, think
// other than false. `model is required` without one.
Result<ChatRequest> ParseChat(std::string_view body);

// One JSON object each, without a line end; arguments as in generate.h.
std::string WriteChatChunk(std::string_view model, int64_t created_ns, std::string_view text);
std::string WriteChatFinal(std::string_view model, int64_t created_ns, std::string_view text,
                           std::string_view done_reason, const Statistics& statistics);
std::string WriteChatLoaded(std::string_view model, int64_t created_ns,
                            std::string_view done_reason);

}  // namespace axollama::api
