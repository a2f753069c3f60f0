// Register helpers of this folder: internal linkage, since they are compiled with -m flags.
#pragma once

#include <immintrin.h>

#include "sim/kernels/constants.h"
#include "sim/kernels/kernels.h"

namespace axsim::kernels::avx2 {
namespace {

[[maybe_unused]] inline __m256 LoadBf16(const uint16_t* p) {
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(raw), 16));
}

[[maybe_unused]] inline __m256i Load(const int16_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

[[maybe_unused]] inline __m128i Load(const int8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

[[maybe_unused]] inline __m128i LoadTail(const int8_t* p, size_t n) {
  alignas(16) int8_t bytes[16] = {};
  for (size_t i = 0; i < n; ++i) bytes[i] = p[i];
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}

// All bits of lanes below n.
[[maybe_unused]] inline __m256i TailMask(size_t n) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), index);
}

// Lane sums of four registers, in the order of kernels.h.
[[maybe_unused]] inline __m128 SumLanes4(__m256 a, __m256 b, __m256 c, __m256 d) {
  const __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
  return _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
}

[[maybe_unused]] inline float SumLanes1(__m256 a) { return _mm_cvtss_f32(SumLanes4(a, a, a, a)); }

[[maybe_unused]] inline __m128i SumIntLanes4(const __m256i lanes[4]) {
  const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(lanes[0], lanes[1]),
                                      _mm256_hadd_epi32(lanes[2], lanes[3]));
  return _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

// Step for step scalar/math.h.
[[maybe_unused]] inline __m256 Exp(__m256 x) {
  x = _mm256_min_ps(_mm256_set1_ps(kExpHigh), x);
  x = _mm256_max_ps(_mm256_set1_ps(kExpLow), x);
  const __m256 magic = _mm256_set1_ps(kExpMagic);
  const __m256 t = _mm256_fmadd_ps(x, _mm256_set1_ps(kLog2E), magic);
  const __m256 n = _mm256_sub_ps(t, magic);
  __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(kMinusLn2High), x);
  r = _mm256_fmadd_ps(n, _mm256_set1_ps(kMinusLn2Low), r);
  __m256 p = _mm256_set1_ps(kExpPoly[0]);
  for (int i = 1; i < 6; ++i) p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(kExpPoly[i]));
  p = _mm256_add_ps(_mm256_fmadd_ps(_mm256_mul_ps(p, r), r, r), _mm256_set1_ps(1.0f));
  const __m256i power = _mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(t), 23),
                                         _mm256_set1_epi32(0x3f800000));
  return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}

// acc += w . x in pairs of columns
[[maybe_unused]] inline __m256i MulAdd(__m256i acc, __m128i w, __m256i x) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_cvtepi8_epi16(w), x));
}

}  // namespace
}  // namespace axsim::kernels::avx2
