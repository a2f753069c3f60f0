// The kernels for x86 with AVX-512 (F, BW, VL, DQ) and its VNNI. vpdpwssd multiplies 32 pairs of
// int16 and adds them up in one instruction, which serves many tokens; vpdpbusd does that with
// bytes, which serves one (bytes.h). The rules of avx2/avx2.h hold here too. A CPU that has these
// instructions has AVX2, whose functions are used where wider ones gain nothing.
#pragma once

#include "sim/kernels/kernels.h"

namespace axsim::kernels::avx512vnni {

extern const Kernels kTable;

// Up to kPanelRows rows of int8, from a block's first column on.
struct Panel {
  const int8_t* codes;  // [rows, stride]
  size_t stride;
  const float* scales;  // [rows]
  size_t rows;
};

// y[t * y_stride + r] += row r . token t over the columns of block `block`: set by the first block,
// finished by the last. panel: kPanelRows * kBlockCols, 64-byte aligned.
void MultiplyPanel(const Panel& w, size_t all_cols, size_t block, const QuantizedRows& x, float* y,
                   size_t y_stride, int16_t* panel);

void S8Matmul(const S8Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel);
void S4Matmul(const S4Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel);
void Scores(const float* q, size_t heads, const uint16_t* k, size_t k_stride, size_t rows,
            size_t dim, float scale, float* out, size_t out_stride);
void Mix(const float* p, size_t p_stride, size_t heads, const uint16_t* v, size_t v_stride,
         size_t rows, size_t dim, float* out);
uint64_t MultiplyAdds(uint64_t turns);

}  // namespace axsim::kernels::avx512vnni
