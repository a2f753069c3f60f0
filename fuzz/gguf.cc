// A GGUF file up to what `sim build` makes of it: the model's description, its tokenizer, and rows
// of its tensors.
#include "sim/build/gguf.h"

#include <algorithm>
#include <vector>

#include "fuzz/input.h"
#include "sim/build/dequantise.h"
#include "sim/build/description.h"
#include "sim/build/tokenizer_json.h"

namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(data, size);
  const auto gguf = axsim::build::Gguf::Open(file.path());
  if (!fuzz::Check(gguf)) return 0;
  for (const auto& [name, tensor] : gguf->tensors()) {
    if (tensor.cols() > 4096 || tensor.rows() == 0) continue;
    std::vector<float> row(tensor.cols());
    axsim::build::DequantiseRow(tensor, 0, row);
    axsim::build::DequantiseRow(tensor, tensor.rows() - 1, row);
  }
  const auto description = axsim::build::Describe(*gguf);
  if (!fuzz::Check(description)) return 0;
  fuzz::Check(axsim::build::MakeTokenizer(*gguf, description->vocab));
  return 0;
}
