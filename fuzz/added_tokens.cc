// The scan of a tokenizer.json for its added tokens.
#include "bundle/settings.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  axollama::bundle::ScanAddedTokens(axollama::fuzz::Text(data, size));
  return 0;
}
