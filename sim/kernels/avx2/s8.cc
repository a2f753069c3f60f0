// int8 weights, int16 activations. One token: rows straight from memory, at its bandwidth. Several:
// 16 rows of one block are interleaved to int16 in a panel that stays in L1, and multiplied with
// up to kTileTokens tokens at a time; a lane is then a whole output, and nothing is summed across.
#include "sim/kernels/avx2/avx2.h"
#include "sim/kernels/avx2/lanes.h"

namespace axsim::kernels::avx2 {
namespace {

constexpr size_t kPanelRows = 16;
constexpr size_t kTileTokens = 6;
constexpr size_t kPrefetchBytes = 4096;  // ahead of the stream of weights: about 200 ns

inline __m256i Load(const int16_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

inline __m128i Load(const int8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

inline __m128i LoadTail(const int8_t* p, size_t n) {
  alignas(16) int8_t bytes[16] = {};
  for (size_t i = 0; i < n; ++i) bytes[i] = p[i];
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}

inline __m256i MulAdd(__m256i acc, __m128i w, __m256i x) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_cvtepi8_epi16(w), x));
}

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
      const __m256i s = _mm256_hadd_epi32(_mm256_hadd_epi32(lanes[b][0], lanes[b][1]),
                                          _mm256_hadd_epi32(lanes[b][2], lanes[b][3]));
      const __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
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

// 8 rows x 16 columns of int8 to 8 x 16 int16: register p holds columns 2p, 2p + 1 of each row.
inline void Interleave8(const __m128i in[8], int16_t* out) {
  __m128i a[8], b[8];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = _mm_unpacklo_epi16(in[2 * i], in[2 * i + 1]);
    a[2 * i + 1] = _mm_unpackhi_epi16(in[2 * i], in[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    b[4 * i] = _mm_unpacklo_epi32(a[4 * i], a[4 * i + 2]);
    b[4 * i + 1] = _mm_unpackhi_epi32(a[4 * i], a[4 * i + 2]);
    b[4 * i + 2] = _mm_unpacklo_epi32(a[4 * i + 1], a[4 * i + 3]);
    b[4 * i + 3] = _mm_unpackhi_epi32(a[4 * i + 1], a[4 * i + 3]);
  }
  for (int p = 0; p < 4; ++p) {
    const __m128i even = _mm_unpacklo_epi64(b[p], b[p + 4]);
    const __m128i odd = _mm_unpackhi_epi64(b[p], b[p + 4]);
    auto* to = reinterpret_cast<__m256i*>(out + p * 4 * kPanelRows);
    _mm256_store_si256(to, _mm256_cvtepi8_epi16(even));
    _mm256_store_si256(to + kPanelRows / 8, _mm256_cvtepi8_epi16(odd));
  }
}

// panel [pairs of columns][kPanelRows][2]; rows beyond `rows` and columns beyond `cols` are zero.
void FillPanel(const int8_t* w, size_t stride, size_t rows, size_t cols, int16_t* panel) {
  for (size_t half = 0; half < kPanelRows / 8; ++half) {
    for (size_t c = 0; c < cols; c += 16) {
      __m128i in[8];
      for (size_t i = 0; i < 8; ++i) {
        const size_t r = half * 8 + i;
        const int8_t* from = w + r * stride + c;
        in[i] = r >= rows        ? _mm_setzero_si128()
                : cols - c >= 16 ? Load(from)
                                 : LoadTail(from, cols - c);
      }
      Interleave8(in, panel + (c / 2) * 2 * kPanelRows + half * 16);
    }
  }
}

// T tokens times the panel: sums [T][16].
template <int T>
inline void Tile(const int16_t* panel, const int16_t* x, size_t x_stride, size_t pairs,
                 __m256i (&sums)[kTileTokens][2]) {
  __m256i acc[T][2];
  const int16_t* token[T];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    acc[t][0] = acc[t][1] = _mm256_setzero_si256();
    token[t] = x + static_cast<size_t>(t) * x_stride;
  }
  for (size_t p = 0; p < pairs; ++p) {
    const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel));
    const __m256i w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(panel) + 1);
    panel += 2 * kPanelRows;
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      int32_t pair;
      __builtin_memcpy(&pair, token[t] + 2 * p, sizeof(pair));
      const __m256i v = _mm256_set1_epi32(pair);
      acc[t][0] = _mm256_add_epi32(acc[t][0], _mm256_madd_epi16(w0, v));
      acc[t][1] = _mm256_add_epi32(acc[t][1], _mm256_madd_epi16(w1, v));
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    sums[t][0] = acc[t][0];
    sums[t][1] = acc[t][1];
  }
}

void AnyTile(size_t tokens, const int16_t* panel, const int16_t* x, size_t x_stride, size_t pairs,
             __m256i (&sums)[kTileTokens][2]) {
  switch (tokens) {
    case 1:
      return Tile<1>(panel, x, x_stride, pairs, sums);
    case 2:
      return Tile<2>(panel, x, x_stride, pairs, sums);
    case 3:
      return Tile<3>(panel, x, x_stride, pairs, sums);
    case 4:
      return Tile<4>(panel, x, x_stride, pairs, sums);
    case 5:
      return Tile<5>(panel, x, x_stride, pairs, sums);
    default:
      return Tile<6>(panel, x, x_stride, pairs, sums);
  }
}

// One panel's rows (at most 16) and one block of columns, for all tokens: y accumulates over
// blocks.
void PanelBlock(const S8Matrix& w, size_t row, size_t rows, size_t block, const QuantizedRows& x,
                float* y, size_t y_stride, int16_t* panel) {
  const size_t begin = block * kBlockCols;
  const size_t cols = w.cols - begin < kBlockCols ? w.cols - begin : kBlockCols;
  const bool first = block == 0;
  const bool last = begin + cols == w.cols;
  FillPanel(w.codes + row * w.cols + begin, w.cols, rows, cols, panel);
  const __m256i mask[2] = {TailMask(rows), TailMask(rows > 8 ? rows - 8 : 0)};
  const __m256 row_scales[2] = {_mm256_maskload_ps(w.scales + row, mask[0]),
                                _mm256_maskload_ps(w.scales + row + 8, mask[1])};
  for (size_t t0 = 0; t0 < x.tokens; t0 += kTileTokens) {
    const size_t tokens = x.tokens - t0 < kTileTokens ? x.tokens - t0 : kTileTokens;
    __m256i sums[kTileTokens][2];
    AnyTile(tokens, panel, x.codes + t0 * x.stride + begin, x.stride, (cols + 1) / 2, sums);
    for (size_t t = 0; t < tokens; ++t) {
      const __m256 scale = _mm256_set1_ps(x.scales[(t0 + t) * x.scale_stride + block]);
      for (size_t half = 0; half < 2; ++half) {
        float* to = y + (t0 + t) * y_stride + row + half * 8;
        const __m256 old = first ? _mm256_setzero_ps() : _mm256_maskload_ps(to, mask[half]);
        __m256 v = _mm256_add_ps(old, _mm256_mul_ps(_mm256_cvtepi32_ps(sums[t][half]), scale));
        if (last) v = _mm256_mul_ps(v, row_scales[half]);
        _mm256_maskstore_ps(to, mask[half], v);
      }
    }
  }
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
  auto* codes = static_cast<int16_t*>(panel);
  for (size_t row = 0; row < w.rows; row += kPanelRows) {
    const size_t rows = w.rows - row < kPanelRows ? w.rows - row : kPanelRows;
    for (size_t block = 0; block < BlockCount(w.cols); ++block) {
      PanelBlock(w, row, rows, block, x, y, y_stride, codes);
    }
  }
}

}  // namespace axsim::kernels::avx2
