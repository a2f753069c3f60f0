// What a GGUF says about its tokenizer. Threads: plain functions.
#pragma once

#include "base/result.h"
#include "sim/build/gguf.h"
#include "sim/build/tokenizer_json.h"

namespace axsim::build {

// Views of the GGUF. `vocab`: the rows of the embedding, which the token list must have.
axollama::Result<TokenizerFacts> TokenizerOf(const Gguf& gguf, uint32_t vocab);

}  // namespace axsim::build
