// The tokenizer of a GGUF in Hugging Face's form.
//
// Byte-level BPE (`tokenizer.ggml.model` = "gpt2") with the pre-tokenizers smollm, gpt-2, llama-bpe
// and qwen2, and SentencePiece's BPE ("llama"); any other is refused by name, since a wrong split
// gives wrong tokens silently.
// Sources: the tokenizer.json files of SmolLM2, GPT-2, Llama 3, Qwen2.5, Llama 2 and Gemma;
// llama.cpp's llama-vocab. Threads: plain functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/build/gguf.h"

namespace axsim::build {

struct TokenizerFiles {
  std::string tokenizer_json;
  std::string tokenizer_config_json;
  std::string chat_template;      // empty: the GGUF has none
  std::vector<uint32_t> eos_ids;  // every token that ends an answer
  std::optional<uint32_t> bos_id;
};

// `vocab`: the rows of the embedding, which the token list must have.
axollama::Result<TokenizerFiles> MakeTokenizer(const Gguf& gguf, uint32_t vocab);

}  // namespace axsim::build
