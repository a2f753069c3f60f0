// int8 weights, int16 activations. One token: rows straight from memory, at its bandwidth. Several:
// see gemm.cc.
#include "sim/kernels/avx2/avx2.h"
#include "sim/kernels/avx2/lanes.h"

namespace axsim::kernels::avx2 {
namespace {

constexpr size_t kPrefetchBytes = 4096;  // ahead of the stream of weights: about 200 ns

// One row, `cols` columns of one block, times one token: partial sums in 8 lanes.
inline __m256i RowBlock(const int8_t* row, size_t cols, const int16_t* x) {
  __m256i a0 = _mm256_setzero_si256();
  __m256i a1 = a0, a2 = a0, a3 = a0;
  size_t c = 0;
  for (; c + 64 <= cols; c += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(row + c) + kPrefetchBytes, _MM_HINT_T0);
    a0 = MulAdd(a0, Load(row + c), Load(x + c));
    a1 = MulAdd(a1, Load(row + c + 16), Load(x + c + 16));
    a2 = MulAdd(a2, Load(row + c + 32), Load(x + c + 32));
    a3 = MulAdd(a3, Load(row + c + 48), Load(x + c + 48));
  }
  for (; c + 16 <= cols; c += 16) a0 = MulAdd(a0, Load(row + c), Load(x + c));
  if (c < cols) a1 = MulAdd(a1, LoadTail(row + c, cols - c), Load(x + c));
  return _mm256_add_epi32(_mm256_add_epi32(a0, a1), _mm256_add_epi32(a2, a3));
}

// Blocks of four rows whose lanes wait to be summed together; more columns go in several turns.
constexpr size_t kWaiting = 16;

// Up to four rows times one token. The weights are read in the order in which they lie in memory,
// one row after the other: that is what the CPU's prefetchers follow best.
void GemvRows(const int8_t* w, size_t rows, size_t cols, const int16_t* x, const float* scales,
              __m128 row_scales, float out[4]) {
  __m128 total = _mm_setzero_ps();
  for (size_t first = 0; first < cols; first += kWaiting * kBlockCols) {
    __m256i lanes[kWaiting][4];
    size_t blocks = 0;
    for (size_t r = 0; r < 4; ++r) {
      blocks = 0;
      for (size_t c = first; c < cols && blocks < kWaiting; c += kBlockCols, ++blocks) {
        const size_t n = cols - c < kBlockCols ? cols - c : kBlockCols;
        lanes[blocks][r] = r < rows ? RowBlock(w + r * cols + c, n, x + c) : _mm256_setzero_si256();
      }
    }
    for (size_t b = 0; b < blocks; ++b) {
      const __m128i sum = SumIntLanes4(lanes[b]);
      const __m128 scale = _mm_set1_ps(scales[first / kBlockCols + b]);
      total = _mm_add_ps(total, _mm_mul_ps(_mm_cvtepi32_ps(sum), scale));
    }
  }
  _mm_storeu_ps(out, _mm_mul_ps(total, row_scales));
}

void Gemv(const S8Matrix& w, const QuantizedRows& x, float* y) {
  size_t r = 0;
  for (; r + 4 <= w.rows; r += 4) {
    GemvRows(w.codes + r * w.cols, 4, w.cols, x.codes, x.scales, _mm_loadu_ps(w.scales + r), y + r);
  }
  if (r == w.rows) return;
  const __m128i mask = _mm256_castsi256_si128(TailMask(w.rows - r));
  float out[4];
  GemvRows(w.codes + r * w.cols, w.rows - r, w.cols, x.codes, x.scales,
           _mm_maskload_ps(w.scales + r, mask), out);
  for (size_t i = 0; r < w.rows; ++r, ++i) y[r] = out[i];
}

}  // namespace

void Quantize(const float* x, size_t cols, int16_t* codes, float* scales) {
  for (size_t begin = 0, block = 0; begin < cols; begin += kBlockCols, ++block) {
    const size_t n = cols - begin < kBlockCols ? cols - begin : kBlockCols;
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i top = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 8) {
      const __m256 v = _mm256_maskload_ps(x + begin + i, TailMask(n - i));
      top = _mm256_max_epi32(top, _mm256_and_si256(_mm256_castps_si256(v), magnitude));
    }
    alignas(32) int32_t tops[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(tops), top);
    int32_t largest_bits = 0;
    for (int32_t bits : tops) largest_bits = bits > largest_bits ? bits : largest_bits;
    const float largest = __builtin_bit_cast(float, largest_bits);
    const bool finite = largest_bits < kInfinityBits;
    const bool zero = !finite || largest < kTiny;
    scales[block] = !finite ? __builtin_nanf("") : zero ? 0.0f : largest / kMaxCode;
    const __m256 inverse = _mm256_set1_ps(zero ? 0.0f : kMaxCode / largest);
    for (size_t i = 0; i < n; i += 8) {
      const __m256 v = _mm256_maskload_ps(x + begin + i, TailMask(n - i));
      __m256i q = _mm256_cvtps_epi32(_mm256_mul_ps(v, inverse));
      if (zero) q = _mm256_setzero_si256();
      const __m128i packed =
          _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + begin + i), packed);
    }
  }
  for (size_t i = cols; i < PaddedCols(cols); ++i) codes[i] = 0;
}

void S8Matmul(const S8Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel) {
  if (x.tokens == 1) return Gemv(w, x, y);
  for (size_t row = 0; row < w.rows; row += kGemmRows) {
    const size_t rows = w.rows - row < kGemmRows ? w.rows - row : kGemmRows;
    for (size_t block = 0; block < BlockCount(w.cols); ++block) {
      const Panel from{w.codes + row * w.cols + block * kBlockCols, w.cols, w.scales + row, rows};
      MultiplyPanel(from, w.cols, block, x, y + row, y_stride, static_cast<int16_t*>(panel));
    }
  }
}

}  // namespace axsim::kernels::avx2
