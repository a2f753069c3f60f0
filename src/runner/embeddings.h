// POST /v1/embeddings as llama-server has it: texts or tokens become vectors, one after the other.
//
// Owner and threads: plain functions on a handler's thread; the engine outlives the call. Source:
// facts 3.4 of the Ollama API; llama.cpp tools/server/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "net/server.h"
#include "runner/loader.h"

namespace axollama::runner {

struct EmbeddingInput {
  std::string text;
  std::optional<std::vector<int32_t>> tokens;  // instead of it
};

struct EmbeddingsRequest {
  std::vector<EmbeddingInput> inputs;  // never empty
  bool normalize = true;               // to the length 1
  uint32_t context_tokens = 0;         // n_ctx: as of a completion
};
// "input": a text, a list of token ids, or a list of texts and lists of token ids.
// "embd_normalize": 2 (the default) or -1, as they are. kInvalid names the field.
Result<EmbeddingsRequest> ReadEmbeddings(std::string_view body);

// Answers with all vectors in the order of the inputs, or with the error of the first input that
// has one. When the client goes, the rest is not computed.
void ServeEmbeddings(engine::Engine& engine, const ModelInfo& info, std::string_view body,
                     net::Responder& responder);

}  // namespace axollama::runner
