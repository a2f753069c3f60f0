// int8 weights, int16 activations. One token: straight from memory. Several: see gemm.cc.
#include "sim/kernels/neon/lanes.h"
#include "sim/kernels/neon/neon.h"

namespace axsim::kernels::neon {
namespace {

// `cols` columns of four rows times one token. Integers: the tail may come in any order.
inline int32x4_t Rows4(const int8_t* const row[4], size_t cols, const int16_t* x) {
  int32x4_t acc[4];
  for (int32x4_t& sum : acc) sum = vdupq_n_s32(0);
  size_t c = 0;
  for (; c + 16 <= cols; c += 16) {
    const int16x8_t x0 = vld1q_s16(x + c), x1 = vld1q_s16(x + c + 8);
#pragma GCC unroll 4
    for (size_t r = 0; r < 4; ++r) {
      const int8x16_t w = vld1q_s8(row[r] + c);
      const int16x8_t w0 = vmovl_s8(vget_low_s8(w)), w1 = vmovl_high_s8(w);
      acc[r] = vmlal_s16(acc[r], vget_low_s16(w0), vget_low_s16(x0));
      acc[r] = vmlal_high_s16(acc[r], w0, x0);
      acc[r] = vmlal_s16(acc[r], vget_low_s16(w1), vget_low_s16(x1));
      acc[r] = vmlal_high_s16(acc[r], w1, x1);
    }
  }
  int32x4_t sums = SumLanes4(acc);
  if (c < cols) {
    int32_t rest[4] = {};
    for (; c < cols; ++c) {
      for (size_t r = 0; r < 4; ++r) rest[r] += int32_t{row[r][c]} * int32_t{x[c]};
    }
    sums = vaddq_s32(sums, vld1q_s32(rest));
  }
  return sums;
}

void Gemv(const S8Matrix& w, const QuantizedRows& x, float* y) {
  for (size_t r = 0; r < w.rows; r += 4) {
    const size_t rows = w.rows - r < 4 ? w.rows - r : 4;
    float32x4_t total = vdupq_n_f32(0);
    for (size_t begin = 0, block = 0; begin < w.cols; begin += kBlockCols, ++block) {
      const size_t n = w.cols - begin < kBlockCols ? w.cols - begin : kBlockCols;
      const int8_t* row[4];
      for (size_t i = 0; i < 4; ++i) {
        row[i] = w.codes + (r + (i < rows ? i : rows - 1)) * w.cols + begin;
      }
      const float32x4_t sums = vcvtq_f32_s32(Rows4(row, n, x.codes + begin));
      total = vaddq_f32(total, vmulq_f32(sums, vdupq_n_f32(x.scales[block])));
    }
    float totals[4];
    vst1q_f32(totals, total);
    for (size_t i = 0; i < rows; ++i) y[r + i] = totals[i] * w.scales[r + i];
  }
}

void FillPanel(const int8_t* w, size_t stride, size_t rows, size_t cols, int16_t* panel) {
  for (size_t r = 0; r < kGemmRows; ++r) {
    int16_t* to = panel + r * kBlockCols;
    size_t c = 0;
    if (r < rows) {
      const int8_t* from = w + r * stride;
      for (; c + 8 <= cols; c += 8) vst1q_s16(to + c, vmovl_s8(vld1_s8(from + c)));
      for (; c < cols; ++c) to[c] = from[c];
    }
    for (; c < (cols + 7) / 8 * 8; ++c) to[c] = 0;
  }
}

}  // namespace

void S8Matmul(const S8Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel) {
  if (x.tokens == 1) return Gemv(w, x, y);
  auto* wide = static_cast<int16_t*>(panel);
  for (size_t row = 0; row < w.rows; row += kGemmRows) {
    const size_t rows = w.rows - row < kGemmRows ? w.rows - row : kGemmRows;
    for (size_t begin = 0, block = 0; begin < w.cols; begin += kBlockCols, ++block) {
      const size_t n = w.cols - begin < kBlockCols ? w.cols - begin : kBlockCols;
      FillPanel(w.codes + row * w.cols + begin, w.cols, rows, n, wide);
      MultiplyPanel(wide, w.scales + row, rows, w.cols, block, x, y + row, y_stride);
    }
  }
}

}  // namespace axsim::kernels::neon
