// 4-bit weights: codes and factors are turned into int8 by table, 64 columns at a time, and the
// rest is as with s8.
#include "sim/kernels/avx512vnni/avx512vnni.h"
#include "sim/kernels/avx512vnni/bytes.h"
#include "sim/kernels/avx512vnni/lanes.h"

namespace axsim::kernels::avx512vnni {
namespace {

constexpr size_t kSpanBytes = 32;
constexpr size_t kBlockSpans = kBlockCols / kSpanCols;
constexpr size_t kPrefetchBytes = 4096;

// Columns 0 to 31 and 32 to 63 of a span as int8.
struct Span {
  __m256i low, high;
};

// The row of kS4Table at a multiple of 16 bytes.
inline __m256i Table(size_t at) {
  return _mm256_broadcastsi128_si256(
      _mm_load_si128(reinterpret_cast<const __m128i*>(kS4Table.values[0] + at)));
}

inline Span Unpack(const uint8_t* codes, size_t factors) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i both = Load32(codes);
  const __m256i low = _mm256_and_si256(both, nibble);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
  return {_mm256_shuffle_epi8(Table((factors & 0x0f) << 4), low),
          _mm256_shuffle_epi8(Table(factors & 0xf0), high)};
}

// R rows, one or four, beside each other, as in s8.cc; but in halves of a register, whose shuffles
// and multiplications do not wait for each other's ports.
template <size_t R>
inline void GemvRows(const S4Matrix& w, size_t r, const Bytes& x, const float* x_scales, float* y) {
  const size_t spans = S4Spans(w.cols);
  const uint8_t* codes = w.codes + r * spans * kSpanBytes;
  const uint8_t* factors = w.factors + r * spans;
  const uint8_t* ahead = codes + kPrefetchBytes;
  const uint8_t* token = x.planes;
  const __m256i flip = _mm256_set1_epi8(-128);
  __m128 total = _mm_setzero_ps();
  for (size_t first = 0, block = 0; first < spans; first += kBlockSpans, ++block) {
    const size_t n = spans - first < kBlockSpans ? spans - first : kBlockSpans;
    const __m256i start = Halves(x.starts[block]);
    __m256i low[R], high[R];
#pragma GCC unroll 4
    for (size_t i = 0; i < R; ++i) {
      low[i] = start;
      high[i] = _mm256_setzero_si256();
    }
    for (size_t s = 0; s < n; ++s) {
      const __m256i x_low0 = Load32(token), x_low1 = Load32(token + 32);
      const __m256i x_high0 = Load32(token + 64), x_high1 = Load32(token + 96);
      token += 2 * kSpanCols;
      _mm_prefetch(ahead, _MM_HINT_T0);
      _mm_prefetch(ahead + 64, _MM_HINT_T0);
      ahead += 4 * kSpanBytes;
#pragma GCC unroll 4
      for (size_t i = 0; i < R; ++i) {
        const Span v = Unpack(codes + i * spans * kSpanBytes, factors[i * spans]);
        low[i] = _mm256_dpbusd_epi32(low[i], x_low0, v.low);
        high[i] = _mm256_dpbusd_epi32(high[i], _mm256_xor_si256(v.low, flip), x_high0);
        low[i] = _mm256_dpbusd_epi32(low[i], x_low1, v.high);
        high[i] = _mm256_dpbusd_epi32(high[i], _mm256_xor_si256(v.high, flip), x_high1);
      }
      codes += kSpanBytes;
      ++factors;
    }
    __m256i sums[4];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      const size_t at = i < R ? i : 0;
      sums[i] = _mm256_add_epi32(low[at], _mm256_slli_epi32(high[at], 8));
    }
    total = AddBlock(total, sums, x_scales[block]);
  }
  StoreRows(total, w.scales + r, R, y + r);
}

}  // namespace

void S4Matmul(const S4Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel) {
  if (x.tokens == 1) {
    const Bytes bytes = SplitCodes(x.codes, w.cols, panel);
    size_t r = 0;
    for (; r + 4 <= w.rows; r += 4) GemvRows<4>(w, r, bytes, x.scales, y);
    for (; r < w.rows; ++r) GemvRows<1>(w, r, bytes, x.scales, y);
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
