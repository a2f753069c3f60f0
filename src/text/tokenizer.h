// Text to token ids and back: the face of the `tokenizers` crate (rust/textkit).
//
// Owner: the caller. Threads: const calls from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/grammar.h"

namespace axollama::text {

struct EncodeOptions {
  bool add_special = true;    // what the tokenizer's post-processor adds (BOS), if anything
  bool parse_special = true;  // recognise special tokens written in the text
};

class Tokenizer {
 public:
  // From a tokenizer.json, or a file in AXERA's text form of one.
  static Result<std::unique_ptr<Tokenizer>> Load(const std::filesystem::path& path);
  virtual ~Tokenizer() = default;

  virtual Result<std::vector<int32_t>> Encode(std::string_view text,
                                              const EncodeOptions& options) const = 0;
  // The bytes that a token adds to the text; they may be a part of a UTF-8 character. Special
  // tokens give their text when `special` is true, else nothing. An id out of range: kInvalid.
  virtual Result<std::string_view> TokenBytes(int32_t id, bool special) const = 0;
  virtual Result<std::string> Decode(std::span<const int32_t> ids, bool special) const = 0;
  virtual std::optional<int32_t> TokenToId(std::string_view token) const = 0;
  virtual bool IsSpecial(int32_t id) const = 0;
  virtual uint32_t vocab_size() const = 0;  // highest id + 1

  // What compiles grammars for a model with `vocab` logits, whose answers `eos` end. Takes some
  // hundred milliseconds and some 10 MB.
  virtual Result<std::unique_ptr<Grammars>> MakeGrammars(uint32_t vocab,
                                                         std::span<const int32_t> eos) const = 0;

 protected:
  Tokenizer() = default;
};

}  // namespace axollama::text
