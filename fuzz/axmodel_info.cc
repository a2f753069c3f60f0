// What the server reads of any .axmodel without a device.
#include "bundle/axmodel_info.h"

#include "fuzz/input.h"

namespace bundle = axollama::bundle;
namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::AlignedCopy file(data, size);
  const auto info = bundle::ParseAxmodelInfo(file.bytes(), "l0.axmodel");
  if (!fuzz::Check(info)) return 0;
  for (const char* name : {"input", "mask", "output"}) {
    bundle::LastDim(info->inputs, name);
    bundle::LastDim(info->outputs, name);
  }
  return 0;
}
