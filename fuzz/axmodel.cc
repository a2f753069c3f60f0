// The simulated card's reader of .axmodel files, and what a load does with one.
#include "sim/container/axmodel.h"

#include "fuzz/input.h"
#include "sim/model/model.h"

namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::AlignedCopy file(data, size);
  const auto model = axsim::container::Read(file.bytes());
  if (!fuzz::Check(model)) return 0;
  for (const auto& [name, weight] : model->weights) {
    const auto* begin = weight.data.data();
    fuzz::Require(weight.data.empty() || (begin >= file.bytes().data() &&
                                          begin + weight.data.size() <= file.bytes().data() + size),
                  "weights lie in the file");
  }
  fuzz::Check(axsim::model::Model::Load(file.bytes()));
  return 0;
}
