// Ollama's POST /api/generate: request and responses.
//
// Owner and threads: plain values. Units: times as wall-clock nanoseconds (base/clock.h). Errors:
// kInvalid with Ollama's sentence, or the field's name. Source: facts 1.3 of the Ollama API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/native.h"
#include "base/result.h"

namespace axollama::api {

// The turn always has `plain`, and its model may be empty: then it is not found. `refused` too:
// raw with any of system, template and context. An empty body is `missing request body`.
Result<NativeRequest> ParseGenerate(std::string_view body);

// Each Write... gives one JSON object without a line end; a stream adds "\n" to each.
std::string WriteGeneratePiece(std::string_view model, int64_t created_ns, const Piece& piece);

// The last object of a stream (`whole` empty) or the whole answer of stream:false. `context` empty:
// left out.
std::string WriteGenerateFinal(std::string_view model, int64_t created_ns, const Piece& whole,
                               const Finish& finish, const std::vector<int32_t>& context);

// The answer to an empty prompt; done_reason: "load" or "unload".
std::string WriteGenerateLoaded(std::string_view model, int64_t created_ns,
                                std::string_view done_reason);
// The answer to _debug_render_only.
std::string WriteGenerateRendered(std::string_view model, int64_t created_ns,
                                  std::string_view prompt);

}  // namespace axollama::api
