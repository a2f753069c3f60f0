// The config.json of a Hugging Face folder, whatever tensors the folder has.
#include "sim/build/hf_config.h"

#include "fuzz/input.h"

namespace build = axsim::build;
namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(data, size);
  const auto config = build::SettingsJson::Read(file.path());
  if (!fuzz::Check(config)) return 0;
  fuzz::Check(build::FactsOfConfig(*config, [](std::string_view) { return true; }));
  fuzz::Check(build::FactsOfConfig(*config, [](std::string_view) { return false; }));
  return 0;
}
