#include "bundle/insert_marks.h"

#include <array>

namespace axollama::bundle {
namespace {

struct Family {
  std::string_view before, after, middle;
  std::array<std::string_view, 3> ends;
};
constexpr Family kFamilies[] = {
    // Qwen2.5 and later, CodeGemma
    {"<|fim_prefix|>",
     "<|fim_suffix|>",
     "<|fim_middle|>",
     {"<|fim_pad|>", "<|file_sep|>", "<|file_separator|>"}},
    // StarCoder, Granite
    {"<fim_prefix>", "<fim_suffix>", "<fim_middle>", {"<fim_pad>", "<file_sep>", "<filename>"}},
    // DeepSeek-Coder
    {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", {}},
    // Code Llama
    {"▁<PRE>", "▁<SUF>", "▁<MID>", {"▁<EOT>"}},
};

}  // namespace

InsertMarks FindInsertMarks(const std::map<std::string, int32_t, std::less<>>& added_tokens) {
  const auto has = [&](std::string_view token) { return added_tokens.contains(token); };
  for (const Family& family : kFamilies) {
    if (!has(family.before) || !has(family.after) || !has(family.middle)) continue;
    InsertMarks marks{
        std::string(family.before), std::string(family.after), std::string(family.middle), {}};
    for (const std::string_view end : family.ends) {
      if (!end.empty() && has(end)) marks.ends.emplace_back(end);
    }
    return marks;
  }
  return {};
}

}  // namespace axollama::bundle
