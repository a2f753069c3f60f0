// Ollama's POST /api/chat: request and responses.
//
// Owner and threads: plain values. Units and errors as in native.h.
// Source: facts 1.4 of the Ollama API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/native.h"
#include "base/result.h"

namespace axollama::api {

// `model is required` without one.
Result<NativeRequest> ParseChat(std::string_view body);

// One JSON object each, without a line end; arguments as in generate.h.
std::string WriteChatPiece(std::string_view model, int64_t created_ns, const Piece& piece);
std::string WriteChatFinal(std::string_view model, int64_t created_ns, const Piece& whole,
                           const Finish& finish);
std::string WriteChatLoaded(std::string_view model, int64_t created_ns,
                            std::string_view done_reason);
std::string WriteChatRendered(std::string_view model, int64_t created_ns, std::string_view prompt);

}  // namespace axollama::api
