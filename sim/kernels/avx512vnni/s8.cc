// int8 weights, int16 activations. One token: straight from memory, at its bandwidth. Several: see
// gemm.cc.
#include "sim/kernels/avx512vnni/avx512vnni.h"
#include "sim/kernels/avx512vnni/bytes.h"
#include "sim/kernels/avx512vnni/lanes.h"

namespace axsim::kernels::avx512vnni {
namespace {

constexpr size_t kPrefetchBytes = 8192;  // ahead of the stream of weights: about 300 ns

// R rows, one or four, beside each other: activations are loaded once for all of them, and there
// are sums enough to hide the multiplier's latency. They are one stretch of memory, and what
// follows it is fetched in its order.
template <size_t R>
inline void GemvRows(const S8Matrix& w, size_t r, const Bytes& x, const float* x_scales, float* y) {
  const int8_t* row = w.codes + r * w.cols;
  const char* ahead = reinterpret_cast<const char*>(row) + kPrefetchBytes;
  const __m512i flip = _mm512_set1_epi8(-128);
  __m128 total = _mm_setzero_ps();
  for (size_t begin = 0, block = 0; begin < w.cols; begin += kBlockCols, ++block) {
    const size_t end = w.cols - begin < kBlockCols ? w.cols : begin + kBlockCols;
    __m512i low[R], high[R];
#pragma GCC unroll 4
    for (size_t i = 0; i < R; ++i) {
      low[i] = x.starts[block];
      high[i] = _mm512_setzero_si512();
    }
    size_t c = begin;
    for (; c + kSpanCols <= end; c += kSpanCols) {
      const __m512i x_low = _mm512_load_si512(x.planes + 2 * c);
      const __m512i x_high = _mm512_load_si512(x.planes + 2 * c + 64);
#pragma GCC unroll 4
      for (size_t i = 0; i < R; ++i) {
        _mm_prefetch(ahead, _MM_HINT_T0);
        ahead += kSpanCols;
        const __m512i v = _mm512_loadu_si512(row + i * w.cols + c);
        low[i] = _mm512_dpbusd_epi32(low[i], x_low, v);
        high[i] = _mm512_dpbusd_epi32(high[i], _mm512_xor_si512(v, flip), x_high);
      }
    }
    // Activations are padded to spans of 64; weights are not.
    if (c < end) {
      const __mmask64 mask = (__mmask64{1} << (end - c)) - 1;
      const __m512i x_low = _mm512_load_si512(x.planes + 2 * c);
      const __m512i x_high = _mm512_load_si512(x.planes + 2 * c + 64);
#pragma GCC unroll 4
      for (size_t i = 0; i < R; ++i) {
        const __m512i v = _mm512_maskz_loadu_epi8(mask, row + i * w.cols + c);
        low[i] = _mm512_dpbusd_epi32(low[i], x_low, v);
        high[i] = _mm512_dpbusd_epi32(high[i], _mm512_xor_si512(v, flip), x_high);
      }
    }
    __m256i sums[4];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) {
      const size_t at = i < R ? i : 0;
      sums[i] = Halves(_mm512_add_epi32(low[at], _mm512_slli_epi32(high[at], 8)));
    }
    total = AddBlock(total, sums, x_scales[block]);
  }
  StoreRows(total, w.scales + r, R, y + r);
}

}  // namespace

void S8Matmul(const S8Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel) {
  if (x.tokens == 1) {
    const Bytes bytes = SplitCodes(x.codes, w.cols, panel);
    size_t r = 0;
    for (; r + 4 <= w.rows; r += 4) GemvRows<4>(w, r, bytes, x.scales, y);
    for (; r < w.rows; ++r) GemvRows<1>(w, r, bytes, x.scales, y);
    return;
  }
  for (size_t row = 0; row < w.rows; row += kPanelRows) {
    const size_t rows = w.rows - row < kPanelRows ? w.rows - row : kPanelRows;
    for (size_t block = 0; block < BlockCount(w.cols); ++block) {
      const Panel from{w.codes + row * w.cols + block * kBlockCols, w.cols, w.scales + row, rows};
      MultiplyPanel(from, w.cols, block, x, y + row, y_stride, static_cast<int16_t*>(panel));
    }
  }
}

}  // namespace axsim::kernels::avx512vnni
