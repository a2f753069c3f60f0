// The codes of one token as bytes. vpdpbusd multiplies bytes, unsigned by signed, so weights need
// no widening when the int16 codes come apart as 256 * high + low: low is unsigned as it is, and
// against high, which is signed, the weights w take the form of w + 128. What that is too much,
// 256 * 128 times the sum of the block's high bytes, is the same for all rows.
//
// Sums may wrap at 2^32 on the way, since the sum of a block itself fits in 32 bits.
#pragma once

#include <immintrin.h>

#include "sim/kernels/constants.h"
#include "sim/kernels/kernels.h"

namespace axsim::kernels::avx512vnni {
namespace {

constexpr size_t kSpanCols = 64;

struct Bytes {
  const uint8_t* planes;  // per span of 64 columns: 64 of low, 64 of high; 64-byte aligned
  const __m512i* starts;  // per block: what the sum of its lanes starts from
};

// Lays them out in a panel, which is more than large enough.
[[maybe_unused]] inline Bytes SplitCodes(const int16_t* codes, size_t cols, void* panel) {
  const size_t padded = PaddedCols(cols);
  auto* planes = static_cast<uint8_t*>(panel);
  auto* starts = reinterpret_cast<__m512i*>(planes + 2 * padded);
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  const __m512i low_byte = _mm512_set1_epi16(0xff);
  const __m512i ones = _mm512_set1_epi8(1);
  for (size_t begin = 0, block = 0; begin < padded; begin += kBlockCols, ++block) {
    const size_t end = padded - begin < kBlockCols ? padded : begin + kBlockCols;
    __m512i sum = _mm512_setzero_si512();
    for (size_t c = begin; c < end; c += kSpanCols) {
      const __m512i x0 = _mm512_loadu_si512(codes + c);
      const __m512i x1 = _mm512_loadu_si512(codes + c + 32);
      const __m512i low =
          _mm512_packus_epi16(_mm512_and_si512(x0, low_byte), _mm512_and_si512(x1, low_byte));
      const __m512i high = _mm512_packs_epi16(_mm512_srai_epi16(x0, 8), _mm512_srai_epi16(x1, 8));
      _mm512_store_si512(planes + 2 * c, _mm512_permutexvar_epi64(order, low));
      _mm512_store_si512(planes + 2 * c + 64, _mm512_permutexvar_epi64(order, high));
      sum = _mm512_dpbusd_epi32(sum, ones, high);
    }
    const __m512i start = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sum, 15));
    _mm512_store_si512(starts + block, start);
  }
  return {planes, starts};
}

}  // namespace
}  // namespace axsim::kernels::avx512vnni
