// The simulated card's configuration: AXSIM_CONFIG and axclInit's argument.
#include "sim/config/config.h"

#include "fuzz/input.h"

namespace fuzz = axollama::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Check(axsim::config::Parse(fuzz::Text(data, size), "config"));
  return 0;
}
