// llama-server's completion_probabilities.
//
// Owner and threads: a plain function. Source: llama.cpp tools/server/README.md, n_probs.
#pragma once

#include <cstddef>
#include <vector>

#include "base/json.h"
#include "engine/request.h"
#include "text/tokenizer.h"

namespace axollama::runner {

// [{id, token, bytes, logprob, top_logprobs: [{id, token, bytes, logprob}]}] of groups of `each`
// logprobs, a token's own first. `token` is text, `bytes` may be a part of a character; a special
// token is called by its name.
json::Array Probabilities(const std::vector<engine::TokenLogprob>& logprobs, size_t each,
                          const text::Tokenizer& tokenizer);

}  // namespace axollama::runner
