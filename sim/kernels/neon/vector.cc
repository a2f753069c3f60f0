#include "sim/kernels/neon/lanes.h"
#include "sim/kernels/neon/neon.h"

namespace axsim::kernels::neon {
namespace {

// Eight codes of a block.
inline int16x8_t Codes(F8 v, float32x4_t inverse) {
  return vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(vmulq_f32(v.low, inverse))),
                      vqmovn_s32(vcvtnq_s32_f32(vmulq_f32(v.high, inverse))));
}

inline float32x4_t Activated(Gate kind, float32x4_t x, float32x4_t up) {
  float32x4_t u = x;
  if (kind == Gate::kGeluTanh) {
    const float32x4_t square = vmulq_f32(vmulq_f32(vdupq_n_f32(kGeluCubic), x), x);
    u = vmulq_f32(vdupq_n_f32(kGeluTwoRootTwoOverPi), vfmaq_f32(x, square, x));
  }
  const float32x4_t below = vaddq_f32(vdupq_n_f32(1.0f), Exp(vnegq_f32(u)));
  return vmulq_f32(vdivq_f32(x, below), up);
}

}  // namespace

void Quantize(const float* x, size_t cols, int16_t* codes, float* scales) {
  for (size_t begin = 0, block = 0; begin < cols; begin += kBlockCols, ++block) {
    const size_t n = cols - begin < kBlockCols ? cols - begin : kBlockCols;
    const float* from = x + begin;
    const size_t whole = n / 8 * 8;
    int32x4_t top = vdupq_n_s32(0);
    const auto look = [&](F8 v) {
      top = vmaxq_s32(top, vreinterpretq_s32_f32(vabsq_f32(v.low)));
      top = vmaxq_s32(top, vreinterpretq_s32_f32(vabsq_f32(v.high)));
    };
    for (size_t i = 0; i < whole; i += 8) look(Load8(from + i));
    if (whole < n) look(LoadTail(from + whole, n - whole));
    const int32_t largest_bits = vmaxvq_s32(top);
    const float largest = __builtin_bit_cast(float, largest_bits);
    const bool finite = largest_bits < kInfinityBits;
    const bool zero = !finite || largest < kTiny;
    scales[block] = !finite ? __builtin_nanf("") : zero ? 0.0f : largest / kMaxCode;
    const float32x4_t inverse = vdupq_n_f32(zero ? 0.0f : kMaxCode / largest);
    const auto encode = [&](F8 v) { return zero ? vdupq_n_s16(0) : Codes(v, inverse); };
    for (size_t i = 0; i < whole; i += 8) vst1q_s16(codes + begin + i, encode(Load8(from + i)));
    if (whole < n) vst1q_s16(codes + begin + whole, encode(LoadTail(from + whole, n - whole)));
  }
  for (size_t i = cols; i < PaddedCols(cols); ++i) codes[i] = 0;
}

void RmsNorm(const float* x, const float* weight, size_t n, float eps, float* out) {
  F8 sum = Zero8();
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const F8 v = Load8(x + i);
    sum = Fma(sum, v, v);
  }
  if (i < n) {
    const F8 v = LoadTail(x + i, n - i);
    sum = Fma(sum, v, v);
  }
  const float mean = SumLanes(sum) / static_cast<float>(n) + eps;
  const float inverse = 1.0f / vget_lane_f32(vsqrt_f32(vdup_n_f32(mean)), 0);
  for (i = 0; i < n; ++i) out[i] = (x[i] * inverse) * weight[i];
}

void Scores(const float* q, size_t heads, const uint16_t* k, size_t k_stride, size_t rows,
            size_t dim, float scale, float* out, size_t out_stride) {
  for (size_t h = 0; h < heads; ++h) {
    const float* query = q + h * dim;
    float* to = out + h * out_stride;
    for (size_t i = 0; i < rows; i += 4) {
      const size_t n = rows - i < 4 ? rows - i : 4;
      F8 acc[4];
      for (F8& sum : acc) sum = Zero8();
      for (size_t d = 0; d < dim; d += kLanes) {
        const F8 v = Load8(query + d);
#pragma GCC unroll 4
        for (size_t p = 0; p < 4; ++p) {
          const uint16_t* row = k + (i + (p < n ? p : 0)) * k_stride;
          acc[p] = Fma(acc[p], LoadBf16(row + d), v);
        }
      }
      for (size_t p = 0; p < n; ++p) to[i + p] = SumLanes(acc[p]) * scale;
    }
  }
}

float Softmax(float* s, size_t n) {
  float largest = -__builtin_inff();
  for (size_t i = 0; i < n; ++i) largest = s[i] > largest ? s[i] : largest;
  const float32x4_t shift = vdupq_n_f32(largest);
  const auto exps = [&](F8 v) {
    return F8{Exp(vsubq_f32(v.low, shift)), Exp(vsubq_f32(v.high, shift))};
  };
  F8 sum = Zero8();
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const F8 e = exps(Load8(s + i));
    Store8(s + i, e);
    sum = {vaddq_f32(sum.low, e.low), vaddq_f32(sum.high, e.high)};
  }
  if (i < n) {
    StoreTail(s + i, exps(LoadTail(s + i, n - i)), n - i);
    const F8 e = LoadTail(s + i, n - i);  // zeros beyond the end
    sum = {vaddq_f32(sum.low, e.low), vaddq_f32(sum.high, e.high)};
  }
  return SumLanes(sum);
}

void Mix(const float* p, size_t p_stride, size_t heads, const uint16_t* v, size_t v_stride,
         size_t rows, size_t dim, float* out) {
  for (size_t h = 0; h < heads; ++h) {
    const float* weights = p + h * p_stride;
    for (size_t d = 0; d < dim; d += 8) {
      F8 acc = Load8(out + h * dim + d);
      for (size_t i = 0; i < rows; ++i) {
        const float32x4_t weight = vdupq_n_f32(weights[i]);
        acc = Fma(acc, {weight, weight}, LoadBf16(v + i * v_stride + d));
      }
      Store8(out + h * dim + d, acc);
    }
  }
}

void Activate(Gate kind, float* gate, const float* up, size_t n) {
  const auto both = [kind](F8 x, F8 y) {
    return F8{Activated(kind, x.low, y.low), Activated(kind, x.high, y.high)};
  };
  size_t i = 0;
  for (; i + 8 <= n; i += 8) Store8(gate + i, both(Load8(gate + i), Load8(up + i)));
  if (i < n) {
    StoreTail(gate + i, both(LoadTail(gate + i, n - i), LoadTail(up + i, n - i)), n - i);
  }
}

uint64_t MultiplyAdds(uint64_t turns) {
  constexpr size_t kSums = 16;
  int32x4_t sums[kSums];
// Unrolled, or the sums would lie in memory.
#pragma GCC unroll 16
  for (size_t s = 0; s < kSums; ++s) sums[s] = vdupq_n_s32(0);
  const int16x4_t w = vdup_n_s16(3), x = vdup_n_s16(5);
  for (uint64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 16
    for (size_t s = 0; s < kSums; ++s) sums[s] = vmlal_s16(sums[s], w, x);
#pragma GCC unroll 16
    for (size_t s = 0; s < kSums; ++s) asm volatile("" : "+w"(sums[s]));
  }
  return turns * kSums * 4;
}

const Kernels kTable = {"neon", Quantize, S8Matmul, S4Matmul, Bf16Matmul,  RmsNorm,
                        Scores, Softmax,  Mix,      Activate, MultiplyAdds};

}  // namespace axsim::kernels::neon
