// int8 weights, int16 activations. One token: straight from memory, at its bandwidth. Several: see
// gemm.cc.
#include "sim/kernels/avx512vnni/avx512vnni.h"
#include "sim/kernels/avx512vnni/lanes.h"

namespace axsim::kernels::avx512vnni {
namespace {

constexpr size_t kPrefetchBytes = 4096;  // ahead of the stream of weights: about 200 ns

// Up to four rows from row r on, beside each other: activations are loaded once for all of them,
// and there are sums enough to hide the multiplier's latency.
void GemvRows(const S8Matrix& w, size_t r, size_t rows, const QuantizedRows& x, float* y) {
  const int8_t* row[4];
  for (size_t i = 0; i < 4; ++i) row[i] = w.codes + (r + (i < rows ? i : rows - 1)) * w.cols;
  // The four rows are one stretch of memory, and what follows it is fetched in its order.
  const char* ahead = reinterpret_cast<const char*>(row[0]) + kPrefetchBytes;
  __m128 total = _mm_setzero_ps();
  for (size_t begin = 0, block = 0; begin < w.cols; begin += kBlockCols, ++block) {
    const size_t end = w.cols - begin < kBlockCols ? w.cols : begin + kBlockCols;
    __m512i a[4][2];
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; ++i) a[i][0] = a[i][1] = _mm512_setzero_si512();
    size_t c = begin;
    for (; c + 64 <= end; c += 64) {
      const __m512i x0 = _mm512_loadu_si512(x.codes + c);
      const __m512i x1 = _mm512_loadu_si512(x.codes + c + 32);
#pragma GCC unroll 4
      for (size_t i = 0; i < 4; ++i) {
        _mm_prefetch(ahead, _MM_HINT_T0);
        ahead += 64;
        a[i][0] = MulAdd(a[i][0], Load32(row[i] + c), x0);
        a[i][1] = MulAdd(a[i][1], Load32(row[i] + c + 32), x1);
      }
    }
    // Activations are padded to spans of 64; weights are not.
    for (; c < end; c += 32) {
      const auto mask = static_cast<__mmask32>(end - c < 32 ? (1u << (end - c)) - 1 : ~0u);
      const __m512i x0 = _mm512_loadu_si512(x.codes + c);
#pragma GCC unroll 4
      for (size_t i = 0; i < 4; ++i) {
        a[i][0] = MulAdd(a[i][0], _mm256_maskz_loadu_epi8(mask, row[i] + c), x0);
      }
    }
    total = AddBlock(total, a, x.scales[block]);
  }
  const __mmask8 mask = FirstOf8(rows);
  _mm_mask_storeu_ps(y + r, mask, _mm_mul_ps(total, _mm_maskz_loadu_ps(mask, w.scales + r)));
}

}  // namespace

void S8Matmul(const S8Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel) {
  if (x.tokens == 1) {
    size_t r = 0;
    for (; r + 4 <= w.rows; r += 4) GemvRows(w, r, 4, x, y);
    if (r < w.rows) GemvRows(w, r, w.rows - r, x, y);
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
