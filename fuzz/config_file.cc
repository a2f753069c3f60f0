// The configuration file of `axollama serve`, and what each of its settings makes of a value.
#include "server/config_file.h"

#include "fuzz/input.h"

namespace fuzz = axollama::fuzz;
namespace server = axollama::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto path = fuzz::Folder() / "config.json";
  fuzz::WriteFile(path, fuzz::Text(data, size));
  const auto file = server::ReadConfigFile(path.string());
  if (!fuzz::Check(file)) return 0;
  server::Settings settings;
  for (const server::Setting& setting : server::SettingTable()) {
    const auto found = file->values.find(std::string(setting.name));
    // A list may be empty; one value is one.
    if (found == file->values.end() || (setting.separator == 0 && found->second.empty())) continue;
    const auto set = setting.set(&settings, found->second);
    if (!set) fuzz::CheckError(set.error());
  }
  return 0;
}
