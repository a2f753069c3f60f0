// The JSON files of a model folder. The first byte chooses the file, the rest is its content.
#include "bundle/settings.h"

#include <filesystem>
#include <iterator>

#include "fuzz/input.h"

namespace bundle = axollama::bundle;
namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr const char* kNames[] = {"config.json", "generation_config.json",
                                    "tokenizer_config.json", "special_tokens_map.json",
                                    "chat_template.jinja"};
  if (size == 0) return 0;
  const std::filesystem::path& folder = fuzz::Folder();
  fuzz::WriteFile(folder / "tokenizer.json", "{\"added_tokens\":[]}");
  const std::filesystem::path file = folder / kNames[data[0] % std::size(kNames)];
  fuzz::WriteFile(file, fuzz::Text(data + 1, size - 1));
  fuzz::Check(bundle::ReadSettings(folder));
  fuzz::Check(bundle::ReadTokenizerFacts(folder, "llama"));
  std::filesystem::remove(file);
  return 0;
}
