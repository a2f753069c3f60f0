// 4-bit weights: codes and factors are turned into int8 by table, 64 columns at a time, and the
// rest is as with s8.
#include "sim/kernels/neon/lanes.h"
#include "sim/kernels/neon/neon.h"

namespace axsim::kernels::neon {
namespace {

constexpr size_t kSpanCols = 64;
constexpr size_t kSpanBytes = 32;
constexpr size_t kBlockSpans = kBlockCols / kSpanCols;

// 64 columns as int8, 16 in a register.
struct Span {
  int8x16_t part[4];
};

inline Span Unpack(const uint8_t* codes, uint8_t factors) {
  const int8x16_t low = vld1q_s8(kS4Table.values[factors & 15]);
  const int8x16_t high = vld1q_s8(kS4Table.values[factors >> 4]);
  const uint8x16_t nibble = vdupq_n_u8(15);
  const uint8x16_t a = vld1q_u8(codes), b = vld1q_u8(codes + 16);
  return {{vqtbl1q_s8(low, vandq_u8(a, nibble)), vqtbl1q_s8(low, vandq_u8(b, nibble)),
           vqtbl1q_s8(high, vshrq_n_u8(a, 4)), vqtbl1q_s8(high, vshrq_n_u8(b, 4))}};
}

inline int32x4_t MulAdd16(int32x4_t acc, int8x16_t w, const int16_t* x) {
  const int16x8_t w0 = vmovl_s8(vget_low_s8(w)), w1 = vmovl_high_s8(w);
  const int16x8_t x0 = vld1q_s16(x), x1 = vld1q_s16(x + 8);
  acc = vmlal_s16(acc, vget_low_s16(w0), vget_low_s16(x0));
  acc = vmlal_high_s16(acc, w0, x0);
  acc = vmlal_s16(acc, vget_low_s16(w1), vget_low_s16(x1));
  return vmlal_high_s16(acc, w1, x1);
}

void Gemv(const S4Matrix& w, const QuantizedRows& x, float* y) {
  const size_t spans = S4Spans(w.cols);
  for (size_t r = 0; r < w.rows; r += 4) {
    const size_t rows = w.rows - r < 4 ? w.rows - r : 4;
    float32x4_t total = vdupq_n_f32(0);
    for (size_t first = 0, block = 0; first < spans; first += kBlockSpans, ++block) {
      const size_t end = spans - first < kBlockSpans ? spans : first + kBlockSpans;
      int32x4_t acc[4];
      for (size_t i = 0; i < 4; ++i) {
        acc[i] = vdupq_n_s32(0);
        const size_t row = (r + (i < rows ? i : rows - 1)) * spans;
        for (size_t s = first; s < end; ++s) {
          const Span v = Unpack(w.codes + (row + s) * kSpanBytes, w.factors[row + s]);
          for (size_t p = 0; p < 4; ++p) {
            acc[i] = MulAdd16(acc[i], v.part[p], x.codes + s * kSpanCols + 16 * p);
          }
        }
      }
      const float32x4_t sums = vcvtq_f32_s32(SumLanes4(acc));
      total = vaddq_f32(total, vmulq_f32(sums, vdupq_n_f32(x.scales[block])));
    }
    float totals[4];
    vst1q_f32(totals, total);
    for (size_t i = 0; i < rows; ++i) y[r + i] = totals[i] * w.scales[r + i];
  }
}

}  // namespace

void S4Matmul(const S4Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel) {
  if (x.tokens == 1) return Gemv(w, x, y);
  const size_t spans = S4Spans(w.cols);
  auto* wide = static_cast<int16_t*>(panel);
  for (size_t row = 0; row < w.rows; row += kGemmRows) {
    const size_t rows = w.rows - row < kGemmRows ? w.rows - row : kGemmRows;
    for (size_t first = 0, block = 0; first < spans; first += kBlockSpans, ++block) {
      const size_t end = spans - first < kBlockSpans ? spans : first + kBlockSpans;
      for (size_t r = 0; r < kGemmRows; ++r) {
        const size_t from = (row + (r < rows ? r : 0)) * spans;  // a row too many is not written
        int16_t* to = wide + r * kBlockCols;
        for (size_t s = first; s < end; ++s) {
          const Span v = Unpack(w.codes + (from + s) * kSpanBytes, w.factors[from + s]);
          for (size_t p = 0; p < 4; ++p, to += 16) {
            vst1q_s16(to, vmovl_s8(vget_low_s8(v.part[p])));
            vst1q_s16(to + 8, vmovl_high_s8(v.part[p]));
          }
        }
      }
      MultiplyPanel(wide, w.scales + row, rows, w.cols, block, x, y + row, y_stride);
    }
  }
}

}  // namespace axsim::kernels::neon
