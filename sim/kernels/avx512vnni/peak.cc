#include "sim/kernels/avx512vnni/avx512vnni.h"
#include "sim/kernels/avx512vnni/lanes.h"

namespace axsim::kernels::avx512vnni {

uint64_t MultiplyAdds(uint64_t turns) {
  constexpr size_t kSums = 12;
  __m512i sums[kSums];
// Unrolled, or the sums would lie in memory.
#pragma GCC unroll 12
  for (size_t s = 0; s < kSums; ++s) sums[s] = _mm512_setzero_si512();
  const __m512i w = _mm512_set1_epi16(3);
  const __m512i x = _mm512_set1_epi16(5);
  for (uint64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) sums[s] = _mm512_dpwssd_epi32(sums[s], w, x);
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) asm volatile("" : "+v"(sums[s]));
  }
  return turns * kSums * 32;
}

}  // namespace axsim::kernels::avx512vnni
