// What the Hugging Face hub sends: a list of files, of which a model folder is chosen.
#include "fuzz/input.h"
#include "pull/bundle_files.h"
#include "pull/hub.h"

namespace fuzz = axollama::fuzz;
namespace pull = axollama::pull;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto text = fuzz::Text(data, size);
  (void)pull::NextCursor(text);
  (void)fuzz::Check(pull::ParseRevision(text));
  pull::HubRepo repo{"AXERA-TECH/Qwen3-0.6B", std::string(40, '0'), {}};
  if (!fuzz::Check(pull::ParseTree(text, &repo.files))) return 0;
  for (const char* tag : {"latest", "a"}) {
    const auto files = pull::ChooseBundle(repo, tag);
    if (!fuzz::Check(files)) continue;
    for (const pull::WantedFile& file : files->files) {
      fuzz::Require(pull::SafePath(file.local), "no local name leaves its folder");
    }
  }
  return 0;
}
