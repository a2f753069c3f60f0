// Several tokens: kGemmRows rows of one block are widened to int16 once, in a panel that stays in
// L1, and multiplied with up to four tokens at a time.
#include "sim/kernels/neon/lanes.h"
#include "sim/kernels/neon/neon.h"

namespace axsim::kernels::neon {
namespace {

constexpr size_t kTileTokens = 4;

// T tokens times four rows: sums[t] of the rows.
template <int T>
inline void Tile(const int16_t* panel, const int16_t* x, size_t x_stride, size_t cols,
                 int32x4_t sums[kTileTokens]) {
  int32x4_t acc[T][kGemmRows];
  for (auto& token : acc) {
    for (int32x4_t& sum : token) sum = vdupq_n_s32(0);
  }
  for (size_t c = 0; c < cols; c += 8) {
    int16x8_t v[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) v[t] = vld1q_s16(x + static_cast<size_t>(t) * x_stride + c);
#pragma GCC unroll 4
    for (size_t r = 0; r < kGemmRows; ++r) {
      const int16x8_t w = vld1q_s16(panel + r * kBlockCols + c);
#pragma GCC unroll 4
      for (int t = 0; t < T; ++t) {
        acc[t][r] = vmlal_s16(acc[t][r], vget_low_s16(w), vget_low_s16(v[t]));
        acc[t][r] = vmlal_high_s16(acc[t][r], w, v[t]);
      }
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) sums[t] = SumLanes4(acc[t]);
}

}  // namespace

void MultiplyPanel(const int16_t* panel, const float* row_scales, size_t rows, size_t all_cols,
                   size_t block, const QuantizedRows& x, float* y, size_t y_stride) {
  const size_t begin = block * kBlockCols;
  const size_t cols = all_cols - begin < kBlockCols ? all_cols - begin : kBlockCols;
  const bool first = block == 0;
  const bool last = begin + cols == all_cols;
  for (size_t t0 = 0; t0 < x.tokens; t0 += kTileTokens) {
    const size_t tokens = x.tokens - t0 < kTileTokens ? x.tokens - t0 : kTileTokens;
    const int16_t* from = x.codes + t0 * x.stride + begin;
    int32x4_t sums[kTileTokens];
    if (tokens == 4) Tile<4>(panel, from, x.stride, cols, sums);
    if (tokens == 3) Tile<3>(panel, from, x.stride, cols, sums);
    if (tokens == 2) Tile<2>(panel, from, x.stride, cols, sums);
    if (tokens == 1) Tile<1>(panel, from, x.stride, cols, sums);
    for (size_t t = 0; t < tokens; ++t) {
      const float scale = x.scales[(t0 + t) * x.scale_stride + block];
      float added[kGemmRows];
      vst1q_f32(added, vmulq_f32(vcvtq_f32_s32(sums[t]), vdupq_n_f32(scale)));
      float* to = y + (t0 + t) * y_stride;
      for (size_t r = 0; r < rows; ++r) {
        const float sum = (first ? 0.0f : to[r]) + added[r];
        to[r] = last ? sum * row_scales[r] : sum;
      }
    }
  }
}

}  // namespace axsim::kernels::neon
