// Several tokens: kGemmRows rows of one block are interleaved to int16 in a panel that stays in L1,
// and multiplied with up to kTileTokens tokens at a time; a lane is then a whole output, and
// nothing is summed across.
#include "sim/kernels/avx2/avx2.h"
#include "sim/kernels/avx2/lanes.h"

namespace axsim::kernels::avx2 {
namespace {

constexpr size_t kTileTokens = 6;

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
    auto* to = reinterpret_cast<__m256i*>(out + p * 4 * kGemmRows);
    _mm256_store_si256(to, _mm256_cvtepi8_epi16(even));
    _mm256_store_si256(to + kGemmRows / 8, _mm256_cvtepi8_epi16(odd));
  }
}

// panel [pairs of columns][kGemmRows][2]; rows beyond `rows` and columns beyond `cols` are zero.
void FillPanel(const int8_t* w, size_t stride, size_t rows, size_t cols, int16_t* panel) {
  for (size_t half = 0; half < kGemmRows / 8; ++half) {
    for (size_t c = 0; c < cols; c += 16) {
      __m128i in[8];
      for (size_t i = 0; i < 8; ++i) {
        const size_t r = half * 8 + i;
        const int8_t* from = w + r * stride + c;
        in[i] = r >= rows        ? _mm_setzero_si128()
                : cols - c >= 16 ? Load(from)
                                 : LoadTail(from, cols - c);
      }
      Interleave8(in, panel + (c / 2) * 2 * kGemmRows + half * 16);
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
    panel += 2 * kGemmRows;
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

}  // namespace

void MultiplyPanel(const Panel& w, size_t all_cols, size_t block, const QuantizedRows& x, float* y,
                   size_t y_stride, int16_t* panel) {
  const size_t begin = block * kBlockCols;
  const size_t cols = all_cols - begin < kBlockCols ? all_cols - begin : kBlockCols;
  const bool first = block == 0;
  const bool last = begin + cols == all_cols;
  FillPanel(w.codes, w.stride, w.rows, cols, panel);
  const __m256i mask[2] = {TailMask(w.rows), TailMask(w.rows > 8 ? w.rows - 8 : 0)};
  const __m256 row_scales[2] = {_mm256_maskload_ps(w.scales, mask[0]),
                                _mm256_maskload_ps(w.scales + 8, mask[1])};
  for (size_t t0 = 0; t0 < x.tokens; t0 += kTileTokens) {
    const size_t tokens = x.tokens - t0 < kTileTokens ? x.tokens - t0 : kTileTokens;
    __m256i sums[kTileTokens][2];
    AnyTile(tokens, panel, x.codes + t0 * x.stride + begin, x.stride, (cols + 1) / 2, sums);
    for (size_t t = 0; t < tokens; ++t) {
      const __m256 scale = _mm256_set1_ps(x.scales[(t0 + t) * x.scale_stride + block]);
      for (size_t half = 0; half < 2; ++half) {
        float* to = y + (t0 + t) * y_stride + half * 8;
        const __m256 old = first ? _mm256_setzero_ps() : _mm256_maskload_ps(to, mask[half]);
        __m256 v = _mm256_add_ps(old, _mm256_mul_ps(_mm256_cvtepi32_ps(sums[t][half]), scale));
        if (last) v = _mm256_mul_ps(v, row_scales[half]);
        _mm256_maskstore_ps(to, mask[half], v);
      }
    }
  }
}

}  // namespace axsim::kernels::avx2
