// A tokenizer in Hugging Face's form, from what other formats hold of it.
//
// Byte-level BPE with the pre-tokenizers smollm, gpt-2, llama-bpe and qwen2, and SentencePiece's
// BPE; any other is refused by name, since a wrong split gives wrong tokens silently.
// Sources: the tokenizer.json files of SmolLM2, GPT-2, Llama 3, Qwen2.5, Llama 2 and Gemma;
// llama.cpp's llama-vocab. Threads: plain functions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axsim::build {

struct TokenizerFiles {
  std::string tokenizer_json;
  std::string tokenizer_config_json;  // empty: none
  std::string chat_template;          // empty: none beside tokenizer_config.json
  std::vector<uint32_t> eos_ids;      // every token that ends an answer
  std::optional<uint32_t> bos_id;
};

// Numbers of llama_token_type, which are SentencePiece's.
enum TokenKind : int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

struct TokenizerFacts {
  bool pieces = false;                   // SentencePiece; else byte-level BPE
  std::string splitter;                  // of byte-level BPE, by its name in GGUF: "gpt-2"
  std::vector<std::string_view> tokens;  // by id
  std::vector<int64_t> kinds;            // TokenKind of each
  std::vector<std::string_view> merges;  // of byte-level BPE: "left right", the best first
  std::vector<double> scores;            // of SentencePiece, of each token
  bool add_space = false;                // a space is put before every text
  std::optional<bool> add_bos;           // absent: as the kind of tokenizer does it
  bool add_eos = false;
  std::optional<uint32_t> bos, eos, unknown, padding;
  std::vector<uint32_t> ends;  // tokens that end an answer, besides eos
  std::string chat_template;
};

// `source` names the file in errors. Ids that are out of range, lists of unequal length, tokens
// that are no UTF-8 or come twice are refused.
axollama::Result<TokenizerFiles> MakeTokenizer(const std::filesystem::path& source,
                                               const TokenizerFacts& facts);

// Tokens that end an answer in whichever model has them as control tokens, as in llama.cpp.
inline constexpr std::string_view kEndTokens[] = {"<|im_end|>", "<|endoftext|>", "<|eot_id|>",
                                                  "<|end_of_text|>", "<end_of_turn>"};

}  // namespace axsim::build
