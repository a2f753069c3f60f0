// Errors as clients see them: `{"error":"text"}`, and Ollama's own sentences.
//
// Owner and threads: plain functions. Source: facts 1.2 and 1.8 of the Ollama API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::api {

// {"error":"text"}, without a line end: the whole body, or one line of a stream that has begun.
std::string WriteError(std::string_view message);

// model 'x' not found
Error ModelNotFound(std::string_view name);
// The prompt is longer than the context ..., in Ollama's words, with both numbers. kTooLong.
Error PromptTooLong(int64_t prompt_tokens, int64_t context_tokens);
// What a client is told when the runner died under its request. kInternal.
Error RunnerStopped();

// `smollm2:135m` as Ollama spells it in full: `registry.ollama.ai/library/smollm2:135m`.
std::string FullModelName(std::string_view name);

}  // namespace axollama::api
