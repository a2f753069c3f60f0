// SentencePiece's tokenizer.model: the pieces, and how text is prepared for them.
//
// Of the kinds of models BPE is read, with no normalisation but the escaping of spaces; Unigram and
// the rest are refused by name. Threads: plain functions. Arbitrary bytes are safe.
// Source: sentencepiece_model.proto of the sentencepiece project.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/result.h"
#include "sim/build/tokenizer_json.h"

namespace axsim::build {

// Views of `bytes`, the content of the file `path`.
axollama::Result<TokenizerFacts> ParseSentencePiece(const std::filesystem::path& path,
                                                    std::string_view bytes);

}  // namespace axsim::build
