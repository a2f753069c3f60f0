// The tokenizer of a Hugging Face folder: its tokenizer.json as it is, else SentencePiece's
// tokenizer.model in that form. Threads: plain functions.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/result.h"
#include "sim/build/settings_json.h"
#include "sim/build/tokenizer_json.h"

namespace axsim::build {

// `config` is the folder's config.json; `vocab` the rows of the embedding, which must suffice for
// the vocabulary. Added tokens may lie beyond: Gemma's text models have one for images.
axollama::Result<TokenizerFiles> TokenizerOfFolder(const std::filesystem::path& folder,
                                                   const SettingsJson& config, uint32_t vocab);

}  // namespace axsim::build
