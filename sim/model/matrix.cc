#include "sim/model/matrix.h"

#include <algorithm>

namespace axsim::model {
namespace {

constexpr size_t kStreamBytes = 32768;  // of weights per unit when one token is multiplied
constexpr size_t kRowAlign = 16;        // rows of a kernel's panel

}  // namespace

void Activations::Encode(const kernels::Kernels& kernels, size_t token) const {
  if (codes == nullptr) return;
  kernels.quantize(row(token), cols, codes + token * kernels::PaddedCols(cols),
                   scales + token * kernels::BlockCount(cols));
}

size_t UnitRows(const Matrix& matrix, size_t tokens) {
  if (tokens > 1) return kRowAlign;
  const size_t row_bytes = matrix.cols * (matrix.is_s8 ? 1 : 2);
  const size_t rows = kStreamBytes / row_bytes / kRowAlign * kRowAlign;
  return std::clamp(rows, kRowAlign, 16 * kRowAlign);
}

Slice UnitSlice(const Matrix& matrix, size_t tokens, size_t unit) {
  const size_t rows = UnitRows(matrix, tokens);
  const size_t first = unit * rows;
  return {first, std::min(rows, matrix.rows - first)};
}

void Multiply(const kernels::Kernels& kernels, const Matrix& matrix, Slice slice,
              const Activations& x, size_t tokens, float* y, size_t y_stride, void* panel) {
  const size_t offset = slice.first * matrix.cols;
  if (matrix.is_s8) {
    const kernels::S8Matrix w{static_cast<const int8_t*>(matrix.data) + offset,
                              matrix.scales + slice.first, slice.count, matrix.cols};
    const kernels::QuantizedRows rows{x.codes, kernels::PaddedCols(x.cols), x.scales,
                                      kernels::BlockCount(x.cols), tokens};
    kernels.s8_matmul(w, rows, y + slice.first, y_stride, panel);
  } else {
    const kernels::Bf16Matrix w{static_cast<const uint16_t*>(matrix.data) + offset, slice.count,
                                matrix.cols};
    kernels.bf16_matmul(w, {x.values, x.cols, tokens}, y + slice.first, y_stride, panel);
  }
}

}  // namespace axsim::model
