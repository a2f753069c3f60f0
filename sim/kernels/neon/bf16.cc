// bf16 weights, float activations: kLanes lanes along the columns, four rows beside each other.
#include "sim/kernels/neon/lanes.h"
#include "sim/kernels/neon/neon.h"

namespace axsim::kernels::neon {

void Bf16Matmul(const Bf16Matrix& w, const FloatRows& x, float* y, size_t y_stride, void*) {
  for (size_t r = 0; r < w.rows; r += 4) {
    const size_t rows = w.rows - r < 4 ? w.rows - r : 4;
    const uint16_t* row[4];
    for (size_t i = 0; i < 4; ++i) row[i] = w.values + (r + (i < rows ? i : rows - 1)) * w.cols;
    for (size_t t = 0; t < x.tokens; ++t) {
      const float* token = x.values + t * x.stride;
      F8 acc[4];
      for (F8& sum : acc) sum = Zero8();
      size_t c = 0;
      for (; c + kLanes <= w.cols; c += kLanes) {
        const F8 v = Load8(token + c);
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; ++i) acc[i] = Fma(acc[i], LoadBf16(row[i] + c), v);
      }
      if (c < w.cols) {
        const F8 v = LoadTail(token + c, w.cols - c);
        for (size_t i = 0; i < 4; ++i) {
          acc[i] = Fma(acc[i], LoadBf16Tail(row[i] + c, w.cols - c), v);
        }
      }
      for (size_t i = 0; i < rows; ++i) y[t * y_stride + r + i] = SumLanes(acc[i]);
    }
  }
}

}  // namespace axsim::kernels::neon
