#include "sim/kernels/avx2/avx2.h"
#include "sim/kernels/avx2/lanes.h"

namespace axsim::kernels::avx2 {

uint64_t MultiplyAdds(uint64_t turns) {
  constexpr size_t kSums = 12;
  __m256i sums[kSums];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  __m256i w = _mm256_set1_epi16(3);
  const __m256i x = _mm256_set1_epi16(5);
  for (uint64_t i = 0; i < turns; ++i) {
    asm volatile("" : "+x"(w));  // else the product would be computed once
#pragma GCC unroll 12
    for (size_t s = 0; s < kSums; ++s) {
      __m256i product = _mm256_madd_epi16(w, x);
      asm volatile("" : "+x"(product));
      sums[s] = _mm256_add_epi32(sums[s], product);
    }
  }
  for (__m256i& sum : sums) asm volatile("" : "+x"(sum));
  return turns * kSums * 16;
}

}  // namespace axsim::kernels::avx2
