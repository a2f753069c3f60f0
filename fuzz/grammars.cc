// Grammars as strangers send them, and answers that follow them. The first byte is the kind.
#include "text/grammar.h"

#include <memory>
#include <vector>

#include "fuzz/input.h"
#include "text/byte_tokenizer.h"
#include "text/tokenizer.h"

namespace fuzz = axollama::fuzz;
namespace text = axollama::text;

namespace {

constexpr uint32_t kVocab = 261;
constexpr int32_t kEnd = 258;
constexpr int kSteps = 24;

const text::Grammars& Grammars() {
  static const std::unique_ptr<text::Grammars> grammars = [] {
    const std::string json = text::ByteTokenizerJson();
    const fuzz::MemoryFile file(reinterpret_cast<const uint8_t*>(json.data()), json.size());
    const auto tokenizer = text::Tokenizer::Load(file.path());
    fuzz::Require(tokenizer.has_value(), "the tokenizer is good");
    auto made = (*tokenizer)->MakeGrammars(kVocab, {{kEnd}});
    fuzz::Require(made.has_value(), "grammars can be made");
    return std::move(*made);
  }();
  return *grammars;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  text::GrammarKind kind = text::GrammarKind::kGbnf;
  if (data[0] == 'l') kind = text::GrammarKind::kLark;
  if (data[0] == 's') kind = text::GrammarKind::kJsonSchema;
  if (data[0] == 'r') kind = text::GrammarKind::kRegex;
  const auto grammar = Grammars().Compile(kind, fuzz::Text(data + 1, size - 1));
  if (!fuzz::Check(grammar)) return 0;
  std::vector<uint32_t> words((kVocab + 31) / 32);
  std::vector<int32_t> forced;
  uint32_t choice = static_cast<uint32_t>(size);
  for (int i = 0; i < kSteps && !(*grammar)->complete(); ++i) {
    if (const auto status = (*grammar)->Forced(&forced); !status) {
      fuzz::CheckError(status.error());
      return 0;
    }
    if (const auto status = (*grammar)->Mask(words); !status) {
      fuzz::CheckError(status.error());
      return 0;
    }
    std::vector<int32_t> allowed;
    for (int32_t id = 0; id < static_cast<int32_t>(kVocab); ++id) {
      if (words[static_cast<size_t>(id) / 32] >> id % 32 & 1) allowed.push_back(id);
    }
    fuzz::Require(!allowed.empty(), "a mask allows something");
    choice = choice * 1664525u + 1013904223u;
    const int32_t token = allowed[choice % allowed.size()];
    if (token == kEnd) return 0;
    if (!forced.empty()) fuzz::Require(token == forced[0], "what is forced is all that is allowed");
    if (const auto status = (*grammar)->Accept(token); !status) {
      fuzz::CheckError(status.error());
      return 0;
    }
  }
  return 0;
}
