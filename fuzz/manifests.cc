// Manifests of the model store.
#include "fuzz/input.h"
#include "store/manifest.h"

namespace fuzz = axollama::fuzz;
namespace store = axollama::store;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto manifest = store::ParseManifest(fuzz::Text(data, size));
  if (!fuzz::Check(manifest)) return 0;
  const auto again = store::ParseManifest(store::WriteManifest(*manifest));
  fuzz::Require(
      again && again->from == manifest->from && again->texts.size() == manifest->texts.size(),
      "a manifest that was read is the same when it is written");
  return 0;
}
