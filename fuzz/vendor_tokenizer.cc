// A tokenizer in AXERA's text form, as the bundle looks at it and as it is loaded and used.
#include "bundle/vendor_tokenizer.h"

#include "fuzz/input.h"
#include "text/tokenizer.h"

namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(data, size);
  fuzz::Check(axollama::bundle::ReadVendorTokenizer(file.path()));
  const auto tokenizer = axollama::text::Tokenizer::Load(file.path());
  if (!fuzz::Check(tokenizer)) return 0;
  const auto ids = (*tokenizer)->Encode("Unaff a\n\na<s> é", {});
  if (!fuzz::Check(ids)) return 0;
  for (const int32_t id : *ids) (void)(*tokenizer)->TokenBytes(id, true);
  return 0;
}
