// Register helpers of this folder: internal linkage, since they are compiled with -m flags.
#pragma once

#include <immintrin.h>

#include "sim/kernels/constants.h"
#include "sim/kernels/kernels.h"

namespace axsim::kernels::avx512vnni {
namespace {

// acc += w . x in pairs of columns: 32 of each.
[[maybe_unused]] inline __m512i MulAdd(__m512i acc, __m256i w, __m512i x) {
  return _mm512_dpwssd_epi32(acc, _mm512_cvtepi8_epi16(w), x);
}

[[maybe_unused]] inline __m256i Load32(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

// total += float(sums of four rows) * scale, rounded after each step; a row's sum lies in the lanes
// of two registers.
[[maybe_unused]] inline __m128 AddBlock(__m128 total, const __m512i (&a)[4][2], float scale) {
  __m256i v[4];
#pragma GCC unroll 4
  for (size_t i = 0; i < 4; ++i) {
    const __m512i both = _mm512_add_epi32(a[i][0], a[i][1]);
    v[i] = _mm256_add_epi32(_mm512_castsi512_si256(both), _mm512_extracti64x4_epi64(both, 1));
  }
  const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
  const __m128i sums = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
  return _mm_add_ps(total, _mm_mul_ps(_mm_cvtepi32_ps(sums), _mm_set1_ps(scale)));
}

[[maybe_unused]] inline __mmask8 FirstOf8(size_t n) {
  return static_cast<__mmask8>(n < 8 ? (1u << n) - 1 : 0xffu);
}

}  // namespace
}  // namespace axsim::kernels::avx512vnni
