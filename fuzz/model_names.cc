// Names of models, digests, and names that mean another one.
#include "fuzz/input.h"
#include "store/alias.h"
#include "store/manifest.h"
#include "store/name.h"

namespace fuzz = axollama::fuzz;
namespace store = axollama::store;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Text(data, size);
  fuzz::Check(store::ParseDigest(text));
  const auto name = store::ParseName(text);
  if (!fuzz::Check(name)) return 0;
  int parts = 0;
  for (const auto& part : name->Path()) {
    fuzz::Require(part != ".." && part != "." && part.string().front() != '/' && ++parts <= 4,
                  "a name stays in the folder that it is appended to");
  }
  const auto again = store::Name::Parse(name->Short());
  fuzz::Require(again && again->Key() == name->Key(), "a name's short form means the same model");
  (void)store::MatchAlias(*name, {*name, *store::Name::Parse("Qwen3-4B-GPTQ-Int4")});
  return 0;
}
