#include "sim/kernels/avx2/avx2.h"
#include "sim/kernels/avx2/lanes.h"

namespace axsim::kernels::avx2 {
namespace {

// P rows of K against H queries: out[h * out_stride + p].
template <int P, int H>
inline void ScoreTile(const float* q, const uint16_t* k, size_t k_stride, size_t dim, __m128 scale,
                      float* out, size_t out_stride) {
  static_assert(P == 1 || P == 4);
  __m256 acc[H][P];
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) acc[h][p] = _mm256_setzero_ps();
  }
  for (size_t d = 0; d < dim; d += kLanes) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
      const __m256 row = LoadBf16(k + static_cast<size_t>(p) * k_stride + d);
#pragma GCC unroll 4
      for (int h = 0; h < H; ++h) {
        const __m256 query = _mm256_loadu_ps(q + static_cast<size_t>(h) * dim + d);
        acc[h][p] = _mm256_fmadd_ps(row, query, acc[h][p]);
      }
    }
  }
#pragma GCC unroll 4
  for (int h = 0; h < H; ++h) {
    float* to = out + static_cast<size_t>(h) * out_stride;
    if constexpr (P == 4) {
      const __m128 sums = SumLanes4(acc[h][0], acc[h][1], acc[h][2], acc[h][3]);
      _mm_storeu_ps(to, _mm_mul_ps(sums, scale));
    } else {
      *to = SumLanes1(acc[h][0]) * _mm_cvtss_f32(scale);
    }
  }
}

template <int H>
void ScoreHeads(const float* q, const uint16_t* k, size_t k_stride, size_t rows, size_t dim,
                float scale, float* out, size_t out_stride) {
  const __m128 factor = _mm_set1_ps(scale);
  size_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    ScoreTile<4, H>(q, k + i * k_stride, k_stride, dim, factor, out + i, out_stride);
  }
  for (; i < rows; ++i) {
    ScoreTile<1, H>(q, k + i * k_stride, k_stride, dim, factor, out + i, out_stride);
  }
}

// 8 * D columns of the mix of H heads.
template <int H, int D>
inline void MixTile(const float* p, size_t p_stride, const uint16_t* v, size_t v_stride,
                    size_t rows, size_t dim, float* out) {
  __m256 acc[H][D];
#pragma GCC unroll 8
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 8
    for (int d = 0; d < D; ++d) {
      acc[h][d] = _mm256_loadu_ps(out + static_cast<size_t>(h) * dim + 8 * d);
    }
  }
  for (size_t i = 0; i < rows; ++i) {
    const uint16_t* row = v + i * v_stride;
#pragma GCC unroll 8
    for (int d = 0; d < D; ++d) {
      const __m256 value = LoadBf16(row + 8 * d);
#pragma GCC unroll 8
      for (int h = 0; h < H; ++h) {
        const __m256 weight = _mm256_broadcast_ss(p + static_cast<size_t>(h) * p_stride + i);
        acc[h][d] = _mm256_fmadd_ps(weight, value, acc[h][d]);
      }
    }
  }
#pragma GCC unroll 8
  for (int h = 0; h < H; ++h) {
#pragma GCC unroll 8
    for (int d = 0; d < D; ++d) {
      _mm256_storeu_ps(out + static_cast<size_t>(h) * dim + 8 * d, acc[h][d]);
    }
  }
}

template <int H, int D>
void MixHeads(const float* p, size_t p_stride, const uint16_t* v, size_t v_stride, size_t rows,
              size_t dim, float* out) {
  size_t d = 0;
  for (; d + 8 * D <= dim; d += 8 * D) {
    MixTile<H, D>(p, p_stride, v + d, v_stride, rows, dim, out + d);
  }
  for (; d < dim; d += 8) MixTile<H, 1>(p, p_stride, v + d, v_stride, rows, dim, out + d);
}

}  // namespace

void RmsNorm(const float* x, const float* weight, size_t n, float eps, float* out) {
  __m256 sum = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_loadu_ps(x + i);
    sum = _mm256_fmadd_ps(v, v, sum);
  }
  if (i < n) {
    const __m256 v = _mm256_maskload_ps(x + i, TailMask(n - i));
    sum = _mm256_fmadd_ps(v, v, sum);
  }
  const __m128 mean = _mm_set_ss(SumLanes1(sum) / static_cast<float>(n) + eps);
  const float inverse = 1.0f / _mm_cvtss_f32(_mm_sqrt_ss(mean));
  const __m256 factor = _mm256_set1_ps(inverse);
  for (i = 0; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), factor);
    _mm256_storeu_ps(out + i, _mm256_mul_ps(v, _mm256_loadu_ps(weight + i)));
  }
  for (; i < n; ++i) out[i] = (x[i] * inverse) * weight[i];
}

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

float Softmax(float* s, size_t n) {
  const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
  __m256 top = lowest;
  for (size_t i = 0; i < n; i += 8) {
    const __m256i mask = TailMask(n - i);
    const __m256 v =
        _mm256_blendv_ps(lowest, _mm256_maskload_ps(s + i, mask), _mm256_castsi256_ps(mask));
    top = _mm256_max_ps(v, top);
  }
  alignas(32) float tops[8];
  _mm256_store_ps(tops, top);
  float largest = tops[0];
  for (float t : tops) largest = t > largest ? t : largest;
  const __m256 shift = _mm256_set1_ps(largest);
  __m256 sum = _mm256_setzero_ps();
  for (size_t i = 0; i < n; i += 8) {
    const __m256i mask = TailMask(n - i);
    const __m256 e = Exp(_mm256_sub_ps(_mm256_maskload_ps(s + i, mask), shift));
    _mm256_maskstore_ps(s + i, mask, e);
    sum = _mm256_add_ps(sum, _mm256_and_ps(e, _mm256_castsi256_ps(mask)));
  }
  return SumLanes1(sum);
}

void Mix(const float* p, size_t p_stride, size_t heads, const uint16_t* v, size_t v_stride,
         size_t rows, size_t dim, float* out) {
  for (size_t h = 0; h < heads;) {
    const float* weights = p + h * p_stride;
    float* to = out + h * dim;
    switch (heads - h) {
      case 1:
        MixHeads<1, 8>(weights, p_stride, v, v_stride, rows, dim, to);
        h += 1;
        break;
      case 2:
      case 4:
        MixHeads<2, 4>(weights, p_stride, v, v_stride, rows, dim, to);
        h += 2;
        break;
      default:
        MixHeads<3, 4>(weights, p_stride, v, v_stride, rows, dim, to);
        h += 3;
    }
  }
}

void Activate(Gate kind, float* gate, const float* up, size_t n) {
  const __m256 one = _mm256_set1_ps(1.0f);
  const __m256 sign = _mm256_set1_ps(-0.0f);
  for (size_t i = 0; i < n; i += 8) {
    const __m256i mask = TailMask(n - i);
    const __m256 x = _mm256_maskload_ps(gate + i, mask);
    __m256 u = x;
    if (kind == Gate::kGeluTanh) {
      const __m256 square = _mm256_mul_ps(_mm256_mul_ps(_mm256_set1_ps(kGeluCubic), x), x);
      u = _mm256_mul_ps(_mm256_set1_ps(kGeluTwoRootTwoOverPi), _mm256_fmadd_ps(square, x, x));
    }
    const __m256 below = _mm256_add_ps(one, Exp(_mm256_xor_ps(u, sign)));
    const __m256 y = _mm256_mul_ps(_mm256_div_ps(x, below), _mm256_maskload_ps(up + i, mask));
    _mm256_maskstore_ps(gate + i, mask, y);
  }
}

const Kernels kTable = {"avx2", Quantize, S8Matmul, S4Matmul, Bf16Matmul,  RmsNorm,
                        Scores, Softmax,  Mix,      Activate, MultiplyAdds};

}  // namespace axsim::kernels::avx2
