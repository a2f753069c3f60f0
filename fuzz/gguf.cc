// A GGUF file up to what `sim build` makes of it: the model's description, its tokenizer, and rows
// of its tensors.
#include "sim/build/gguf.h"

#include <vector>

#include "fuzz/input.h"
#include "sim/build/dequantise.h"
#include "sim/build/description.h"
#include "sim/build/gguf_source.h"

namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(data, size);
  const auto source = axsim::build::GgufSource::Open(file.path());
  if (!fuzz::Check(source)) return 0;
  for (const auto& [name, tensor] : source->tensors()) {
    if (tensor.cols() > 4096 || tensor.rows() == 0) continue;
    std::vector<float> row(tensor.cols());
    axsim::build::DequantiseRow(tensor, 0, row);
    axsim::build::DequantiseRow(tensor, tensor.rows() - 1, row);
  }
  const auto description = axsim::build::Describe(*source);
  if (!fuzz::Check(description)) return 0;
  fuzz::Check(source->Tokenizer(description->vocab));
  return 0;
}
