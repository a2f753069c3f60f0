#include "store/alias.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace axollama::store {
namespace {

using Words = std::vector<std::string>;

// Words that tell apart two makes of a model, not two models.
constexpr std::string_view kMakes[] = {
    "latest", "instruct", "chat",  "it",     "gptq", "awq",  "int4",  "int8", "w4a16",
    "w8a16",  "w8a8",     "s4",    "s8",     "bf16", "f16",  "fp16",  "q4",   "q8",
    "axera",  "axmodel",  "ax650", "ax650n", "npu1", "npu3", "ctx",   "c128", "p128",
    "p320",   "2k",       "4k",    "8k",     "axcl", "m5",   "ax8850"};

// "4b", "0.6b", "135m": how many weights a model has.
bool IsSize(const std::string& word) {
  if (word.size() < 2 || (word.back() != 'b' && word.back() != 'm')) return false;
  return std::all_of(word.begin(), word.end() - 1,
                     [](unsigned char c) { return std::isdigit(c) || c == '.'; });
}

// "2507": a release.
bool IsRelease(const std::string& word) {
  return word.size() == 4 &&
         std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c); });
}

bool TellsTheMake(const std::string& word) {
  return IsRelease(word) ||
         std::find(std::begin(kMakes), std::end(kMakes), word) != std::end(kMakes);
}

// The lower-case words of model and tag. A dot stays where a digit follows: "qwen2.5", "0.6b".
Words WordsOf(const Name& name) {
  const std::string text = name.model + "-" + name.tag;
  Words words(1);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool point = c == '.' && i + 1 < text.size() &&
                       std::isdigit(static_cast<unsigned char>(text[i + 1])) != 0;
    if (std::isalnum(c) || point) {
      words.back() += static_cast<char>(std::tolower(c));
    } else {
      words.emplace_back();
    }
  }
  std::erase_if(words, [](const std::string& word) { return word.empty() || word == "latest"; });
  return words;
}

bool Fits(const Words& asked, const Words& model) {
  if (model.size() < asked.size() || !std::equal(asked.begin(), asked.end(), model.begin())) {
    return false;
  }
  const bool has_size = std::any_of(asked.begin(), asked.end(), IsSize);
  return std::all_of(model.begin() + static_cast<std::ptrdiff_t>(asked.size()), model.end(),
                     [has_size](const std::string& word) {
                       return TellsTheMake(word) || (!has_size && IsSize(word));
                     });
}

}  // namespace

std::optional<size_t> MatchAlias(const Name& asked, const std::vector<Name>& there) {
  // Whose name begins with a host or a namespace asks for that one's model.
  const Name defaults;
  if (Name{asked.host, asked.space, "x", "x"}.Key() !=
      Name{defaults.host, defaults.space, "x", "x"}.Key()) {
    return std::nullopt;
  }
  const Words words = WordsOf(asked);
  if (words.empty()) return std::nullopt;
  std::optional<size_t> found;
  for (size_t i = 0; i < there.size(); ++i) {
    if (!Fits(words, WordsOf(there[i]))) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

}  // namespace axollama::store
