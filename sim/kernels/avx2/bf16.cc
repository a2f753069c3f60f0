// bf16 weights, float activations: kLanes lanes along the columns, so that one token and many sum
// in the same order. Several tokens: four rows are widened to float once and reused from L1.
#include "sim/kernels/avx2/avx2.h"
#include "sim/kernels/avx2/lanes.h"

namespace axsim::kernels::avx2 {
namespace {

constexpr size_t kPanelRows = 4;
constexpr size_t kTileTokens = 3;
constexpr size_t kPrefetchBytes = 4096;

inline __m256 LoadTail(const uint16_t* p, size_t n) {
  uint16_t values[8] = {};
  for (size_t i = 0; i < n; ++i) values[i] = p[i];
  return LoadBf16(values);
}

inline __m128 Gemv4(const uint16_t* const row[4], size_t cols, const float* x) {
  __m256 a0 = _mm256_setzero_ps();
  __m256 a1 = a0, a2 = a0, a3 = a0;
  const char* ahead = reinterpret_cast<const char*>(row[0]) + kPrefetchBytes;
  size_t c = 0;
  for (; c + 8 <= cols; c += 8, ahead += 64) {
    _mm_prefetch(ahead, _MM_HINT_T0);
    const __m256 v = _mm256_loadu_ps(x + c);
    a0 = _mm256_fmadd_ps(LoadBf16(row[0] + c), v, a0);
    a1 = _mm256_fmadd_ps(LoadBf16(row[1] + c), v, a1);
    a2 = _mm256_fmadd_ps(LoadBf16(row[2] + c), v, a2);
    a3 = _mm256_fmadd_ps(LoadBf16(row[3] + c), v, a3);
  }
  if (c < cols) {
    const __m256 v = _mm256_maskload_ps(x + c, TailMask(cols - c));
    a0 = _mm256_fmadd_ps(LoadTail(row[0] + c, cols - c), v, a0);
    a1 = _mm256_fmadd_ps(LoadTail(row[1] + c, cols - c), v, a1);
    a2 = _mm256_fmadd_ps(LoadTail(row[2] + c, cols - c), v, a2);
    a3 = _mm256_fmadd_ps(LoadTail(row[3] + c, cols - c), v, a3);
  }
  return SumLanes4(a0, a1, a2, a3);
}

void Gemv(const Bf16Matrix& w, const float* x, float* y) {
  size_t r = 0;
  for (; r + 4 <= w.rows; r += 4) {
    const uint16_t* base = w.values + r * w.cols;
    const uint16_t* row[4] = {base, base + w.cols, base + 2 * w.cols, base + 3 * w.cols};
    _mm_storeu_ps(y + r, Gemv4(row, w.cols, x));
  }
  for (; r < w.rows; ++r) {
    const uint16_t* base = w.values + r * w.cols;
    const uint16_t* row[4] = {base, base, base, base};
    y[r] = _mm_cvtss_f32(Gemv4(row, w.cols, x));
  }
}

// panel [kPanelRows][PaddedCols(cols)], zero beyond the rows and columns there are.
void FillPanel(const uint16_t* w, size_t rows, size_t cols, float* panel) {
  const size_t stride = PaddedCols(cols);
  for (size_t r = 0; r < kPanelRows; ++r) {
    for (size_t c = 0; c < cols; c += 8) {
      __m256 v = _mm256_setzero_ps();
      if (r < rows) {
        const uint16_t* from = w + r * cols + c;
        v = cols - c >= 8 ? LoadBf16(from) : LoadTail(from, cols - c);
      }
      _mm256_store_ps(panel + r * stride + c, v);
    }
  }
}

template <int T>
inline void Tile(const float* panel, const float* x, size_t x_stride, size_t cols,
                 __m128 (&sums)[kTileTokens]) {
  const size_t stride = PaddedCols(cols);
  __m256 acc[T][kPanelRows];
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (size_t r = 0; r < kPanelRows; ++r) acc[t][r] = _mm256_setzero_ps();
  }
  size_t c = 0;
  for (; c + 8 <= cols; c += 8) {
    __m256 v[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) v[t] = _mm256_loadu_ps(x + static_cast<size_t>(t) * x_stride + c);
#pragma GCC unroll 4
    for (size_t r = 0; r < kPanelRows; ++r) {
      const __m256 w = _mm256_load_ps(panel + r * stride + c);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) acc[t][r] = _mm256_fmadd_ps(w, v[t], acc[t][r]);
    }
  }
  if (c < cols) {
    const __m256i mask = TailMask(cols - c);
    for (int t = 0; t < T; ++t) {
      const __m256 v = _mm256_maskload_ps(x + static_cast<size_t>(t) * x_stride + c, mask);
      for (size_t r = 0; r < kPanelRows; ++r) {
        acc[t][r] = _mm256_fmadd_ps(_mm256_load_ps(panel + r * stride + c), v, acc[t][r]);
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) sums[t] = SumLanes4(acc[t][0], acc[t][1], acc[t][2], acc[t][3]);
}

}  // namespace

void Bf16Matmul(const Bf16Matrix& w, const FloatRows& x, float* y, size_t y_stride, void* panel) {
  if (x.tokens == 1) return Gemv(w, x.values, y);
  auto* wide = static_cast<float*>(panel);
  for (size_t row = 0; row < w.rows; row += kPanelRows) {
    const size_t rows = w.rows - row < kPanelRows ? w.rows - row : kPanelRows;
    FillPanel(w.values + row * w.cols, rows, w.cols, wide);
    for (size_t t0 = 0; t0 < x.tokens; t0 += kTileTokens) {
      const size_t tokens = x.tokens - t0 < kTileTokens ? x.tokens - t0 : kTileTokens;
      const float* from = x.values + t0 * x.stride;
      __m128 sums[kTileTokens];
      if (tokens == 3) Tile<3>(wide, from, x.stride, w.cols, sums);
      if (tokens == 2) Tile<2>(wide, from, x.stride, w.cols, sums);
      if (tokens == 1) Tile<1>(wide, from, x.stride, w.cols, sums);
      for (size_t t = 0; t < tokens; ++t) {
        float values[kPanelRows];
        _mm_storeu_ps(values, sums[t]);
        for (size_t r = 0; r < rows; ++r) y[(t0 + t) * y_stride + row + r] = values[r];
      }
    }
  }
}

}  // namespace axsim::kernels::avx2
