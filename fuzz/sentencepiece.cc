// SentencePiece's tokenizer.model, and the tokenizer.json that is made of it.
#include "fuzz/input.h"
#include "sim/build/sentencepiece_file.h"

namespace build = axsim::build;
namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto facts = build::ParseSentencePiece("tokenizer.model", fuzz::Text(data, size));
  if (!fuzz::Check(facts)) return 0;
  fuzz::Check(build::MakeTokenizer("tokenizer.model", *facts));
  return 0;
}
