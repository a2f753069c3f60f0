// AXERA's text form of a tokenizer, as far as a bundle asks: which tokens are special, and which
// end an answer. Tokenizing itself is the text room's.
//
// Line 1 is "430 TYPE" (0 SentencePiece, 1 tiktoken, 2 BERT, 3 Hugging Face's BPE), line 2 counts
// special, stop and prefix ids, line 3 holds them, then comes the vocabulary, a line a token.
// Source: the public converter of this form, ZHEQIUSHUI/tokenizer.axera.
// Threads: plain functions and values. Arbitrary bytes are safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axollama::bundle {

struct VendorTokenizer {
  std::map<std::string, int32_t, std::less<>> special;  // by their text
  std::vector<int32_t> stop_ids;
};

bool IsVendorTokenizer(std::string_view content);

Result<VendorTokenizer> ReadVendorTokenizer(const std::filesystem::path& path);

}  // namespace axollama::bundle
