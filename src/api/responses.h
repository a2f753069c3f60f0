// OpenAI's POST /v1/responses: the request as a Turn.
//
// Nothing is stored: what refers to an earlier response or conversation is refused.
// Owner and threads: plain values. Errors: kInvalid. Source: facts 1.10 of the Ollama API.
#pragma once

#include <string_view>

#include "api/turn.h"
#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

struct ResponsesRequest {
  Turn turn;
  bool stream = false;
  // Fields of the answer that repeat the request's, with their defaults: instructions, tools,
  // tool_choice, text, reasoning ...
  json::Object echo;
};

Result<ResponsesRequest> ParseResponses(std::string_view body);

}  // namespace axollama::api
