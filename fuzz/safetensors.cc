// A safetensors file, and rows of its tensors.
#include "sim/build/safetensors.h"

#include <vector>

#include "fuzz/input.h"
#include "sim/build/dequantise.h"

namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(data, size);
  const auto weights = axsim::build::Safetensors::Open(file.path());
  if (!fuzz::Check(weights)) return 0;
  for (const axsim::build::Tensor& tensor : weights->tensors()) {
    if (tensor.dims.empty() || tensor.cols() > 4096 || tensor.rows() == 0) continue;
    std::vector<float> row(tensor.cols());
    axsim::build::DequantiseRow(tensor, tensor.rows() - 1, row);
  }
  return 0;
}
