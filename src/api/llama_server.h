// llama-server's routes as a stock Ollama asks its runner: /completion, /v1/chat/completions,
// /apply-template. Answers are streams of events.
//
// Owner and threads: plain values. Errors: kInvalid, naming the field. Source: facts 3.4 of the
// Ollama API.
#pragma once

#include <string>
#include <string_view>

#include "api/completion.h"
#include "api/turn.h"
#include "base/result.h"

namespace axollama::api {

Result<CompletionRequest> ParseLlamaCompletion(std::string_view body);
// Of `model`, which the body does not name. Nothing is dropped from a conversation that is too
// long: Ollama has done that.
Result<Turn> ParseLlamaChat(std::string_view body, std::string_view model);

// Events, each with its empty line.
std::string WriteLlamaEvent(const CompletionEvent& event);
std::string WriteLlamaChunk(const Piece& piece);
std::string WriteLlamaLastChunk(const Finish& finish);

}  // namespace axollama::api
