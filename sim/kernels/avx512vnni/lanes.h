// Register helpers of this folder: internal linkage, since they are compiled with -m flags.
#pragma once

#include <immintrin.h>

#include "sim/kernels/constants.h"
#include "sim/kernels/kernels.h"

namespace axsim::kernels::avx512vnni {
namespace {

[[maybe_unused]] inline __m256i Load32(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

[[maybe_unused]] inline __m256i Halves(__m512i v) {
  return _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
}

// total += float(sums of the lanes of v) * scale, rounded after each step.
[[maybe_unused]] inline __m128 AddBlock(__m128 total, const __m256i (&v)[4], float scale) {
  const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
  const __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
  return _mm_add_ps(total, _mm_mul_ps(_mm_cvtepi32_ps(sums), _mm_set1_ps(scale)));
}

// y[i] = total[i] * scales[i] for the first `rows`.
[[maybe_unused]] inline void StoreRows(__m128 total, const float* scales, size_t rows, float* y) {
  const auto mask = static_cast<__mmask8>((1u << rows) - 1);
  _mm_mask_storeu_ps(y, mask, _mm_mul_ps(total, _mm_maskz_loadu_ps(mask, scales)));
}

}  // namespace
}  // namespace axsim::kernels::avx512vnni
