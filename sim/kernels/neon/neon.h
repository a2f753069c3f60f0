// The kernels for arm64. Files of this folder include only <arm_neon.h> and plain headers of ours,
// and share no inline function with other folders (see constants.h).
#pragma once

#include "sim/kernels/kernels.h"

namespace axsim::kernels::neon {

extern const Kernels kTable;

// Rows that a gemm takes at a time.
inline constexpr size_t kGemmRows = 4;

// y[t * y_stride + r] += row r . token t for `rows` rows over the columns of block `block`: set by
// the first block, finished with row_scales by the last.
// panel [kGemmRows][kBlockCols]: zero beyond the rows and columns there are.
void MultiplyPanel(const int16_t* panel, const float* row_scales, size_t rows, size_t all_cols,
                   size_t block, const QuantizedRows& x, float* y, size_t y_stride);

void Quantize(const float* x, size_t cols, int16_t* codes, float* scales);
void S8Matmul(const S8Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel);
void S4Matmul(const S4Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel);
void Bf16Matmul(const Bf16Matrix& w, const FloatRows& x, float* y, size_t y_stride, void* panel);
void RmsNorm(const float* x, const float* weight, size_t n, float eps, float* out);
void Scores(const float* q, size_t heads, const uint16_t* k, size_t k_stride, size_t rows,
            size_t dim, float scale, float* out, size_t out_stride);
float Softmax(float* s, size_t n);
void Mix(const float* p, size_t p_stride, size_t heads, const uint16_t* v, size_t v_stride,
         size_t rows, size_t dim, float* out);
void Activate(Gate kind, float* gate, const float* up, size_t n);
uint64_t MultiplyAdds(uint64_t turns);

}  // namespace axsim::kernels::neon
