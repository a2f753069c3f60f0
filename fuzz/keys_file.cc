// The file of API keys.
#include "fuzz/input.h"
#include "keys/keys.h"

namespace fuzz = axollama::fuzz;
namespace keys = axollama::keys;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = fuzz::Folder() / "keys.json";
  fuzz::WriteFile(file, fuzz::Text(data, size));
  const auto read = keys::Read(file);
  keys::Keyring ring(file);
  const keys::Keyring::State shown = ring.Check("axo_0");
  fuzz::Require(!shown.scopes, "a key that nobody made opens nothing");
  if (!fuzz::Check(read)) {
    fuzz::Require(shown.any, "a damaged file is no invitation");
    return 0;
  }
  fuzz::Require(shown.any == !read->empty(), "there are keys where there are keys");
  for (const keys::Key& key : *read) {
    const auto scopes = keys::ParseScopes(keys::FormatScopes(key.scopes));
    fuzz::Require(scopes && *scopes == key.scopes && key.sha256.size() == 64,
                  "a key has scopes and a hash");
  }
  return 0;
}
