// s8 and s4 matrices with byte products. An activation is 256 * high + low, high signed and low
// unsigned, so that
//   sum w x = 256 sum w high + sum (w + 128) low - 128 sum low
// of which sdot gives the first sum and udot the others: integers, and so the same bits as
// anywhere.
#include <arm_neon.h>

#include "sim/kernels/constants.h"
#include "sim/kernels/neon/neon.h"
#include "sim/kernels/neon_dotprod/neon_dotprod.h"

namespace axsim::kernels::neon_dotprod {
namespace {

constexpr size_t kRows = 4;
constexpr size_t kTileTokens = 2;
constexpr size_t kSpanCols = 64;
constexpr size_t kSpanBytes = 32;
constexpr size_t kBlockSpans = kBlockCols / kSpanCols;

// T tokens times four rows of int8 [kRows][stride]: sums[t] of the rows. Rows and tokens must be
// readable, and zero in one of the two, up to a multiple of 16 columns.
template <int T>
inline void Tile(const int8_t* w, size_t stride, const int16_t* x, size_t x_stride, size_t cols,
                 int32x4_t sums[kTileTokens]) {
  int32x4_t high[T][kRows];
  uint32x4_t low[T][kRows], low_sum[T];
  for (int t = 0; t < T; ++t) {
    low_sum[t] = vdupq_n_u32(0);
    for (size_t r = 0; r < kRows; ++r) {
      high[t][r] = vdupq_n_s32(0);
      low[t][r] = vdupq_n_u32(0);
    }
  }
  const uint8x16_t sign = vdupq_n_u8(0x80), ones = vdupq_n_u8(1);
  for (size_t c = 0; c < cols; c += 16) {
    int8x16x2_t v[T];  // low bytes, high bytes
#pragma GCC unroll 2
    for (int t = 0; t < T; ++t) {
      v[t] = vld2q_s8(reinterpret_cast<const int8_t*>(x + static_cast<size_t>(t) * x_stride + c));
      low_sum[t] = vdotq_u32(low_sum[t], ones, vreinterpretq_u8_s8(v[t].val[0]));
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < kRows; ++r) {
      const int8x16_t row = vld1q_s8(w + r * stride + c);
      const uint8x16_t raised = veorq_u8(vreinterpretq_u8_s8(row), sign);
#pragma GCC unroll 2
      for (int t = 0; t < T; ++t) {
        high[t][r] = vdotq_s32(high[t][r], row, v[t].val[1]);
        low[t][r] = vdotq_u32(low[t][r], raised, vreinterpretq_u8_s8(v[t].val[0]));
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    int32x4_t whole[kRows];
    for (size_t r = 0; r < kRows; ++r) {
      const uint32x4_t raised_by = vshlq_n_u32(low_sum[t], 7);
      const int32x4_t of_low = vreinterpretq_s32_u32(vsubq_u32(low[t][r], raised_by));
      whole[r] = vaddq_s32(vshlq_n_s32(high[t][r], 8), of_low);
    }
    sums[t] = vpaddq_s32(vpaddq_s32(whole[0], whole[1]), vpaddq_s32(whole[2], whole[3]));
  }
}

// y of up to four rows, all tokens, one block: as neon::MultiplyPanel.
void MultiplyRows(const int8_t* w, size_t stride, const float* row_scales, size_t rows,
                  size_t all_cols, size_t block, const QuantizedRows& x, float* y,
                  size_t y_stride) {
  const size_t begin = block * kBlockCols;
  const size_t cols = all_cols - begin < kBlockCols ? all_cols - begin : kBlockCols;
  const bool first = block == 0;
  const bool last = begin + cols == all_cols;
  for (size_t t0 = 0; t0 < x.tokens; t0 += kTileTokens) {
    const size_t tokens = x.tokens - t0 < kTileTokens ? x.tokens - t0 : kTileTokens;
    const int16_t* from = x.codes + t0 * x.stride + begin;
    int32x4_t sums[kTileTokens];
    if (tokens == 2) Tile<2>(w, stride, from, x.stride, cols, sums);
    if (tokens == 1) Tile<1>(w, stride, from, x.stride, cols, sums);
    for (size_t t = 0; t < tokens; ++t) {
      const float scale = x.scales[(t0 + t) * x.scale_stride + block];
      float added[kRows];
      vst1q_f32(added, vmulq_f32(vcvtq_f32_s32(sums[t]), vdupq_n_f32(scale)));
      float* to = y + (t0 + t) * y_stride;
      for (size_t r = 0; r < rows; ++r) {
        const float sum = (first ? 0.0f : to[r]) + added[r];
        to[r] = last ? sum * row_scales[r] : sum;
      }
    }
  }
}

// 64 columns as int8.
inline void Unpack(const uint8_t* codes, uint8_t factors, int8_t* to) {
  const int8x16_t low = vld1q_s8(kS4Table.values[factors & 15]);
  const int8x16_t high = vld1q_s8(kS4Table.values[factors >> 4]);
  const uint8x16_t nibble = vdupq_n_u8(15);
  const uint8x16_t a = vld1q_u8(codes), b = vld1q_u8(codes + 16);
  vst1q_s8(to, vqtbl1q_s8(low, vandq_u8(a, nibble)));
  vst1q_s8(to + 16, vqtbl1q_s8(low, vandq_u8(b, nibble)));
  vst1q_s8(to + 32, vqtbl1q_s8(high, vshrq_n_u8(a, 4)));
  vst1q_s8(to + 48, vqtbl1q_s8(high, vshrq_n_u8(b, 4)));
}

}  // namespace

void S8Matmul(const S8Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel) {
  auto* copy = static_cast<int8_t*>(panel);
  for (size_t row = 0; row < w.rows; row += kRows) {
    const size_t rows = w.rows - row < kRows ? w.rows - row : kRows;
    for (size_t begin = 0, block = 0; begin < w.cols; begin += kBlockCols, ++block) {
      const size_t n = w.cols - begin < kBlockCols ? w.cols - begin : kBlockCols;
      const int8_t* from = w.codes + row * w.cols + begin;
      size_t stride = w.cols;
      if (rows < kRows || n % 16 != 0) {  // what may not be read beyond its end goes into a copy
        for (size_t r = 0; r < rows; ++r) {
          __builtin_memcpy(copy + r * kBlockCols, from + r * stride, n);
        }
        from = copy;
        stride = kBlockCols;
      }
      MultiplyRows(from, stride, w.scales + row, rows, w.cols, block, x, y + row, y_stride);
    }
  }
}

void S4Matmul(const S4Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel) {
  const size_t spans = S4Spans(w.cols);
  auto* unpacked = static_cast<int8_t*>(panel);
  for (size_t row = 0; row < w.rows; row += kRows) {
    const size_t rows = w.rows - row < kRows ? w.rows - row : kRows;
    for (size_t first = 0, block = 0; first < spans; first += kBlockSpans, ++block) {
      const size_t n = spans - first < kBlockSpans ? spans - first : kBlockSpans;
      for (size_t r = 0; r < rows; ++r) {
        const size_t at = (row + r) * spans + first;
        for (size_t s = 0; s < n; ++s) {
          Unpack(w.codes + (at + s) * kSpanBytes, w.factors[at + s],
                 unpacked + r * kBlockCols + s * kSpanCols);
        }
      }
      MultiplyRows(unpacked, kBlockCols, w.scales + row, rows, w.cols, block, x, y + row, y_stride);
    }
  }
}

// Two byte products are one of int16 with int8.
uint64_t MultiplyAdds(uint64_t turns) {
  constexpr size_t kSums = 16;
  int32x4_t sums[kSums];
// Unrolled, or the sums would lie in memory.
#pragma GCC unroll 16
  for (size_t s = 0; s < kSums; ++s) sums[s] = vdupq_n_s32(0);
  const int8x16_t w = vdupq_n_s8(3), x = vdupq_n_s8(5);
  for (uint64_t i = 0; i < turns; ++i) {
#pragma GCC unroll 16
    for (size_t s = 0; s < kSums; ++s) sums[s] = vdotq_s32(sums[s], w, x);
#pragma GCC unroll 16
    for (size_t s = 0; s < kSums; ++s) asm volatile("" : "+w"(sums[s]));
  }
  return turns * kSums * 16 / 2;
}

const Kernels kTable = {"neon_dotprod",   neon::Quantize, S8Matmul,     S4Matmul,
                        neon::Bf16Matmul, neon::RmsNorm,  neon::Scores, neon::Softmax,
                        neon::Mix,        neon::Activate, MultiplyAdds};

}  // namespace axsim::kernels::neon_dotprod
