// What was found out about a card, as its file says.
#include "fuzz/input.h"
#include "npu/probe.h"

#include <filesystem>

namespace fs = std::filesystem;
namespace fuzz = axollama::fuzz;
namespace npu = axollama::npu;

namespace {

constexpr const char* kFeature = "queue";
constexpr const char* kLibrary = "3.6.4";
constexpr const char* kFirmware = "1.45";

// The file that a record has in `folder`.
fs::path FileIn(const fs::path& folder) {
  npu::ProbeRecord record(folder, kFeature, kLibrary, kFirmware);
  fuzz::Require(record.Begin().has_value(), "nothing is known yet");
  return fs::directory_iterator(folder)->path();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fs::path folder = fuzz::Folder() / "probes";
  static const fs::path file = FileIn(folder);
  fuzz::WriteFile(file, fuzz::Text(data, size));
  npu::ProbeRecord record(folder, kFeature, kLibrary, kFirmware);
  const auto begun = record.Begin();
  if (!begun) {
    fuzz::CheckError(begun.error());
    return 0;
  }
  // Either it was known to work, or it is noted that it is tried, so that a crash now is seen.
  npu::ProbeRecord next(folder, kFeature, kLibrary, kFirmware);
  if (!next.Begin()) return 0;
  fuzz::Require(fs::file_size(file) == size, "what works is left as it is");
  return 0;
}
