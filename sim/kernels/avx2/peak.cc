#include "sim/kernels/avx2/avx2.h"
#include "sim/kernels/avx2/lanes.h"

namespace axsim::kernels::avx2 {

uint64_t MultiplyAdds(uint64_t turns) {
  constexpr size_t kSums = 12;
  __m256i sums[kSums];
// Unrolled, or the sums would lie in memory.
#pragma GCC unroll 12
  for (size_t s = 0; s < kSums; ++s) sums[s] = _mm256_setzero_si256();
  __m256i w = _mm256_set1_epi16(3);
  const __m256i x = _mm256_set1_epi16(5);
  for (uint64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) {
      asm volatile("" : "+x"(w));  // else the product would be computed once
      sums[s] = _mm256_add_epi32(sums[s], _mm256_madd_epi16(w, x));
    }
  }
#pragma GCC unroll 12
  for (size_t s = 0; s < kSums; ++s) asm volatile("" : "+x"(sums[s]));
  return turns * kSums * 16;
}

}  // namespace axsim::kernels::avx2
