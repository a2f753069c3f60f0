// The header of a .npy embedding table.
#include "bundle/npy.h"

#include "fuzz/input.h"

namespace bundle = axollama::bundle;
namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::AlignedCopy file(data, size);
  const auto header = bundle::ReadNpyHeader(file.bytes(), "embedding.npy");
  if (!fuzz::Check(header)) return 0;
  const uint64_t element = header->type == bundle::NpyType::kF32 ? 4 : 2;
  fuzz::Require(header->data_offset_bytes + element * header->rows * header->columns == size,
                "the data is as long as the shape says");
  return 0;
}
