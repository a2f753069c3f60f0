// OpenAI's POST /v1/chat/completions: the request as a Turn.
//
// Beyond what Ollama reads of it: tool_choice, n, max_completion_tokens, logit_bias,
// parallel_tool_calls and the developer role.
// Owner and threads: plain values. Errors: kInvalid. Source: facts 1.9 of the Ollama API.
#pragma once

#include <cstdint>
#include <string_view>

#include "api/turn.h"
#include "base/result.h"

namespace axollama::api {

// Choices are computed one after another, and each may be as long as the context.
inline constexpr int64_t kMaxChoices = 16;

struct OpenAiChatRequest {
  Turn turn;
  bool stream = false;
  bool include_usage = false;  // of stream_options
  int64_t n = 1;               // choices

  int64_t choices() const { return n; }
  // The turn of the i-th choice: where there is a seed, each has one of its own.
  Turn Choice(int64_t index) const;
};

Result<OpenAiChatRequest> ParseOpenAiChat(std::string_view body);

}  // namespace axollama::api
