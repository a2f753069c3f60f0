// Scores and mix. Lanes of a score are kLanes along the columns, as everywhere: a register holds
// two rows of K beside each other, not more columns of one.
#include "sim/kernels/avx2/avx2.h"
#include "sim/kernels/avx512vnni/avx512vnni.h"
#include "sim/kernels/avx512vnni/lanes.h"

namespace axsim::kernels::avx512vnni {
namespace {

inline __m128i Load16(const uint16_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

inline __m512 Widen(__m256i bf16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

// The lane sums of two rows in each of four registers: {a low, b low, c low, d low, a high, ...},
// in the order of kernels.h.
inline __m256 SumPairs4(__m512 a, __m512 b, __m512 c, __m512 d) {
  // (l0 + l1) and (l2 + l3) of each 128-bit quarter, then their sum; then the two quarters of a
  // row.
  const auto pair_sums = [](__m512 x, __m512 y) {
    return _mm512_add_ps(_mm512_shuffle_ps(x, y, 0x88), _mm512_shuffle_ps(x, y, 0xdd));
  };
  const __m512 quads = pair_sums(pair_sums(a, b), pair_sums(c, d));
  // Quarters 0 and 1 are the lower rows', 2 and 3 the upper rows'.
  const __m512 swapped = _mm512_shuffle_f32x4(quads, quads, _MM_SHUFFLE(2, 3, 0, 1));
  const __m512 sums = _mm512_add_ps(quads, swapped);
  return _mm512_castps512_ps256(_mm512_shuffle_f32x4(sums, sums, _MM_SHUFFLE(2, 0, 2, 0)));
}

// Eight rows of K against H queries: out[h * out_stride + p].
template <int H>
inline void ScoreTile(const float* q, const uint16_t* k, size_t k_stride, size_t dim, __m256 scale,
                      float* out, size_t out_stride) {
  __m512 acc[H][4];
#pragma GCC unroll 3
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) acc[h][p] = _mm512_setzero_ps();
  }
  for (size_t d = 0; d < dim; d += kLanes) {
    __m512 query[H];
#pragma GCC unroll 3
    for (int h = 0; h < H; ++h) {
      const __m256 half = _mm256_loadu_ps(q + static_cast<size_t>(h) * dim + d);
      query[h] = _mm512_insertf32x8(_mm512_castps256_ps512(half), half, 1);
    }
#pragma GCC unroll 4
    for (size_t p = 0; p < 4; ++p) {
      const __m128i low = Load16(k + p * k_stride + d);
      const __m128i high = Load16(k + (p + 4) * k_stride + d);
      const __m512 rows = Widen(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
#pragma GCC unroll 3
      for (int h = 0; h < H; ++h) acc[h][p] = _mm512_fmadd_ps(rows, query[h], acc[h][p]);
    }
  }
#pragma GCC unroll 3
  for (int h = 0; h < H; ++h) {
    const __m256 sums = SumPairs4(acc[h][0], acc[h][1], acc[h][2], acc[h][3]);
    _mm256_storeu_ps(out + static_cast<size_t>(h) * out_stride, _mm256_mul_ps(sums, scale));
  }
}

template <int H>
void ScoreHeads(const float* q, const uint16_t* k, size_t k_stride, size_t rows, size_t dim,
                float scale, float* out, size_t out_stride) {
  const __m256 factor = _mm256_set1_ps(scale);
  size_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    ScoreTile<H>(q, k + i * k_stride, k_stride, dim, factor, out + i, out_stride);
  }
  if (i < rows) {
    avx2::Scores(q, H, k + i * k_stride, k_stride, rows - i, dim, scale, out + i, out_stride);
  }
}

// 16 * D columns of the mix of H heads.
template <int H, int D>
inline void MixTile(const float* p, size_t p_stride, const uint16_t* v, size_t v_stride,
                    size_t rows, size_t dim, float* out) {
  __m512 acc[H][D];
#pragma GCC unroll 3
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int d = 0; d < D; ++d) {
      acc[h][d] = _mm512_loadu_ps(out + static_cast<size_t>(h) * dim + 16 * d);
    }
  }
  for (size_t i = 0; i < rows; ++i) {
    __m512 weight[H];
#pragma GCC unroll 3
    for (int h = 0; h < H; ++h) {
      weight[h] = _mm512_set1_ps(p[static_cast<size_t>(h) * p_stride + i]);
    }
#pragma GCC unroll 4
    for (int d = 0; d < D; ++d) {
      const __m512 value = Widen(Load32(v + i * v_stride + 16 * d));
#pragma GCC unroll 3
      for (int h = 0; h < H; ++h) acc[h][d] = _mm512_fmadd_ps(weight[h], value, acc[h][d]);
    }
  }
#pragma GCC unroll 3
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int d = 0; d < D; ++d) {
      _mm512_storeu_ps(out + static_cast<size_t>(h) * dim + 16 * d, acc[h][d]);
    }
  }
}

template <int H>
void MixHeads(const float* p, size_t p_stride, const uint16_t* v, size_t v_stride, size_t rows,
              size_t dim, float* out) {
  size_t d = 0;
  for (; d + 64 <= dim; d += 64) MixTile<H, 4>(p, p_stride, v + d, v_stride, rows, dim, out + d);
  for (; d + 16 <= dim; d += 16) MixTile<H, 1>(p, p_stride, v + d, v_stride, rows, dim, out + d);
}

}  // namespace

void Scores(const float* q, size_t heads, const uint16_t* k, size_t k_stride, size_t rows,
            size_t dim, float scale, float* out, size_t out_stride) {
  for (size_t h = 0; h < heads;) {
    const float* query = q + h * dim;
    float* to = out + h * out_stride;
    switch (heads - h) {
      case 1:
        ScoreHeads<1>(query, k, k_stride, rows, dim, scale, to, out_stride);
        h += 1;
        break;
      case 2:
      case 4:
        ScoreHeads<2>(query, k, k_stride, rows, dim, scale, to, out_stride);
        h += 2;
        break;
      default:
        ScoreHeads<3>(query, k, k_stride, rows, dim, scale, to, out_stride);
        h += 3;
    }
  }
}

void Mix(const float* p, size_t p_stride, size_t heads, const uint16_t* v, size_t v_stride,
         size_t rows, size_t dim, float* out) {
  if (dim % 16 != 0) return avx2::Mix(p, p_stride, heads, v, v_stride, rows, dim, out);
  for (size_t h = 0; h < heads;) {
    const float* weights = p + h * p_stride;
    float* to = out + h * dim;
    switch (heads - h) {
      case 1:
        MixHeads<1>(weights, p_stride, v, v_stride, rows, dim, to);
        h += 1;
        break;
      case 2:
      case 4:
        MixHeads<2>(weights, p_stride, v, v_stride, rows, dim, to);
        h += 2;
        break;
      default:
        MixHeads<3>(weights, p_stride, v, v_stride, rows, dim, to);
        h += 3;
    }
  }
}

const Kernels kTable = {"avx512vnni",  avx2::Quantize, S8Matmul,      S4Matmul, avx2::Bf16Matmul,
                        avx2::RmsNorm, Scores,         avx2::Softmax, Mix,      avx2::Activate,
                        MultiplyAdds};

}  // namespace axsim::kernels::avx512vnni
