// How a model that can fill in the middle of a text gets its two ends: special tokens of its
// tokenizer.
//
// Threads: plain functions and values. Source: the families' published tokenizers; llama.cpp's
// tables of such tokens (src/llama-vocab.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace axollama::bundle {

// before TEXT_BEFORE after TEXT_AFTER middle, and the model writes what stands between.
struct InsertMarks {
  std::string before, after, middle;
  std::vector<std::string> ends;  // such an answer ends at one of these too

  bool known() const { return !middle.empty(); }
};

// Those of the family whose marks are all among the tokens; otherwise none.
InsertMarks FindInsertMarks(const std::map<std::string, int32_t, std::less<>>& added_tokens);

}  // namespace axollama::bundle
