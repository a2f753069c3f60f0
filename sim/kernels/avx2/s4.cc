// 4-bit weights: codes and factors are turned into int8 by table, 64 columns at a time, and the
// rest is as with s8.
#include "sim/kernels/avx2/avx2.h"
#include "sim/kernels/avx2/lanes.h"

namespace axsim::kernels::avx2 {
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
  const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  const __m256i low = _mm256_and_si256(both, nibble);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
  return {_mm256_shuffle_epi8(Table(factors & 15), low),
          _mm256_shuffle_epi8(Table(factors >> 4), high)};
}

// One row, the spans of one block, times one token: partial sums in 8 lanes.
inline __m256i RowBlock(const uint8_t* codes, const uint8_t* factors, size_t spans,
                        const int16_t* x) {
  __m256i a0 = _mm256_setzero_si256();
  __m256i a1 = a0;
  for (size_t s = 0; s < spans; ++s) {
    _mm_prefetch(reinterpret_cast<const char*>(codes) + kPrefetchBytes, _MM_HINT_T0);
    const Span w = Unpack(codes, factors[s]);
    a0 = MulAdd(a0, _mm256_castsi256_si128(w.low), Load(x));
    a1 = MulAdd(a1, _mm256_extracti128_si256(w.low, 1), Load(x + 16));
    a0 = MulAdd(a0, _mm256_castsi256_si128(w.high), Load(x + 32));
    a1 = MulAdd(a1, _mm256_extracti128_si256(w.high, 1), Load(x + 48));
    codes += kSpanBytes;
    x += kSpanCols;
  }
  return _mm256_add_epi32(a0, a1);
}

// Up to four rows from row r on.
void GemvRows(const S4Matrix& w, size_t r, size_t rows, const QuantizedRows& x, float* y) {
  const size_t spans = S4Spans(w.cols);
  __m128 total = _mm_setzero_ps();
  for (size_t first = 0, block = 0; first < spans; first += kBlockSpans, ++block) {
    const size_t n = spans - first < kBlockSpans ? spans - first : kBlockSpans;
    __m256i lanes[4];
    for (size_t i = 0; i < 4; ++i) {
      const size_t at = (r + i) * spans + first;
      lanes[i] = i < rows ? RowBlock(w.codes + at * kSpanBytes, w.factors + at, n,
                                     x.codes + first * kSpanCols)
                          : _mm256_setzero_si256();
    }
    total = _mm_add_ps(
        total, _mm_mul_ps(_mm_cvtepi32_ps(SumIntLanes4(lanes)), _mm_set1_ps(x.scales[block])));
  }
  const __m128i mask = _mm256_castsi256_si128(TailMask(rows));
  _mm_maskstore_ps(y + r, mask, _mm_mul_ps(total, _mm_maskload_ps(w.scales + r, mask)));
}

}  // namespace

void S4Matmul(const S4Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel) {
  if (x.tokens == 1) {
    for (size_t r = 0; r < w.rows; r += 4) {
      GemvRows(w, r, w.rows - r < 4 ? w.rows - r : 4, x, y);
    }
    return;
  }
  const size_t spans = S4Spans(w.cols);
  auto* interleaved = static_cast<int16_t*>(panel);
  auto* unpacked = reinterpret_cast<int8_t*>(interleaved + kGemmRows * kBlockCols);
  for (size_t row = 0; row < w.rows; row += kGemmRows) {
    const size_t rows = w.rows - row < kGemmRows ? w.rows - row : kGemmRows;
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

}  // namespace axsim::kernels::avx2
