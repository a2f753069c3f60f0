// A tokenizer.json as it is loaded and used.
#include "text/tokenizer.h"

#include "fuzz/input.h"

namespace fuzz = axollama::fuzz;
namespace text = axollama::text;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(data, size);
  const auto tokenizer = text::Tokenizer::Load(file.path());
  if (!fuzz::Check(tokenizer)) return 0;
  const auto ids = (*tokenizer)->Encode("ab <s> a\xc3\xa9\n", {});
  if (!fuzz::Check(ids)) return 0;
  fuzz::Check((*tokenizer)->Decode(*ids, true));
  for (const int32_t id : {-1, 0, 5, 2147483647}) {
    fuzz::Check((*tokenizer)->TokenBytes(id, true));
    (*tokenizer)->IsSpecial(id);
  }
  return 0;
}
