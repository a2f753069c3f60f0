// Anthropic's POST /v1/messages and /v1/messages/count_tokens: the request as a Turn.
//
// Owner and threads: plain values. Errors: kInvalid, with Ollama's sentence where it has one.
// Source: facts 1.11 of the Ollama API.
#pragma once

#include <string_view>

#include "api/turn.h"
#include "base/result.h"

namespace axollama::api {

struct AnthropicRequest {
  Turn turn;
  bool stream = false;
};

Result<AnthropicRequest> ParseAnthropic(std::string_view body);

// The same without max_tokens: what is asked is how long the prompt would be.
Result<AnthropicRequest> ParseAnthropicCount(std::string_view body);

}  // namespace axollama::api
