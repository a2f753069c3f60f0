#include "sim/kernels/scalar/scalar.h"

namespace axsim::kernels::scalar {

uint64_t MultiplyAdds(uint64_t turns) {
  constexpr size_t kSums = 8;  // enough of them to hide the latency
  volatile uint32_t start = 3;
  const uint32_t factor = start, term = start + 2;
  uint32_t sums[kSums] = {};
  for (uint64_t i = 0; i < turns; ++i) {
    for (uint32_t& sum : sums) sum = sum * factor + term;
  }
  for (const uint32_t sum : sums) start = sum;
  return turns * kSums;
}

}  // namespace axsim::kernels::scalar
