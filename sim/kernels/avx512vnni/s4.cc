// 4-bit weights: codes and factors are turned into int8 by table, 64 columns at a time, and the
// rest is as with s8.
#include "sim/kernels/avx512vnni/avx512vnni.h"
#include "sim/kernels/avx512vnni/lanes.h"

namespace axsim::kernels::avx512vnni {
namespace {

constexpr size_t kSpanCols = 64;
constexpr size_t kSpanBytes = 32;
constexpr size_t kBlockSpans = kBlockCols / kSpanCols;
constexpr size_t kPrefetchBytes = 4096;

// Columns 0 to 31 and 32 to 63 of a span as int8.
struct Span {
  __m256i low, high;
};

inline __m256i Table(size_t factor) {
  return _mm256_broadcastsi128_si256(
      _mm_load_si128(reinterpret_cast<const __m128i*>(kS4Table.values[factor])));
}

inline Span Unpack(const uint8_t* codes, uint8_t factors) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i both = Load32(codes);
  const __m256i low = _mm256_and_si256(both, nibble);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
  return {_mm256_shuffle_epi8(Table(factors & 15), low),
          _mm256_shuffle_epi8(Table(factors >> 4), high)};
}

// Up to four rows from row r on, beside each other, as in s8.cc.
void GemvRows(const S4Matrix& w, size_t r, size_t rows, const QuantizedRows& x, float* y) {
  const size_t spans = S4Spans(w.cols);
  size_t row[4];  // where its next span is
  for (size_t i = 0; i < 4; ++i) row[i] = (r + (i < rows ? i : rows - 1)) * spans;
  const uint8_t* ahead = w.codes + row[0] * kSpanBytes + kPrefetchBytes;
  const int16_t* token = x.codes;
  __m128 total = _mm_setzero_ps();
  for (size_t first = 0, block = 0; first < spans; first += kBlockSpans, ++block) {
    const size_t n = spans - first < kBlockSpans ? spans - first : kBlockSpans;
    __m512i a[4][2];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) a[i][0] = a[i][1] = _mm512_setzero_si512();
    for (size_t s = 0; s < n; ++s, token += kSpanCols) {
      const __m512i x0 = _mm512_loadu_si512(token);
      const __m512i x1 = _mm512_loadu_si512(token + 32);
      _mm_prefetch(ahead, _MM_HINT_T0);
      _mm_prefetch(ahead + 64, _MM_HINT_T0);
      ahead += 4 * kSpanBytes;
#pragma GCC unroll 4
      for (size_t i = 0; i < 4; ++i) {
        const Span v = Unpack(w.codes + (row[i] + s) * kSpanBytes, w.factors[row[i] + s]);
        a[i][0] = MulAdd(a[i][0], v.low, x0);
        a[i][1] = MulAdd(a[i][1], v.high, x1);
      }
    }
    for (size_t& at : row) at += n;
    total = AddBlock(total, a, x.scales[block]);
  }
  const __mmask8 mask = FirstOf8(rows);
  _mm_mask_storeu_ps(y + r, mask, _mm_mul_ps(total, _mm_maskz_loadu_ps(mask, w.scales + r)));
}

}  // namespace

void S4Matmul(const S4Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel) {
  if (x.tokens == 1) {
    size_t r = 0;
    for (; r + 4 <= w.rows; r += 4) GemvRows(w, r, 4, x, y);
    if (r < w.rows) GemvRows(w, r, w.rows - r, x, y);
    return;
  }
  const size_t spans = S4Spans(w.cols);
  auto* interleaved = static_cast<int16_t*>(panel);
  auto* unpacked = reinterpret_cast<int8_t*>(interleaved + kPanelRows * kBlockCols);
  for (size_t row = 0; row < w.rows; row += kPanelRows) {
    const size_t rows = w.rows - row < kPanelRows ? w.rows - row : kPanelRows;
    for (size_t first = 0, block = 0; first < spans; first += kBlockSpans, ++block) {
      const size_t n = spans - first < kBlockSpans ? spans - first : kBlockSpans;
      for (size_t r = 0; r < rows; ++r) {
        const size_t at = (row + r) * spans + first;
        for (size_t s = 0; s < n; ++s) {
          const Span values = Unpack(w.codes + (at + s) * kSpanBytes, w.factors[at + s]);
          auto* to = reinterpret_cast<__m256i*>(unpacked + r * kBlockCols + s * kSpanCols);
          _mm256_store_si256(to, values.low);
          _mm256_store_si256(to + 1, values.high);
        }
      }
      const Panel from{unpacked, kBlockCols, w.scales + row, rows};
      MultiplyPanel(from, w.cols, block, x, y + row, y_stride, interleaved);
    }
  }
}

}  // namespace axsim::kernels::avx512vnni
