#include "sim/model/matrix.h"

#include <algorithm>

namespace axsim::model {
namespace {

// Of weights per unit when one token is multiplied: the kernels fetch ahead by some KiB, which at
// the end of a unit is for nothing if another thread takes the next.
constexpr size_t kStreamBytes = 65536;
constexpr size_t kRowAlign = 8;

}  // namespace

size_t Matrix::row_bytes() const {
  switch (type) {
    case spec::WeightType::kS4:
      return kernels::S4Spans(cols) * spec::kS4SpanBytes;
    case spec::WeightType::kS8:
      return cols;
    case spec::WeightType::kBf16:
      return cols * 2;
  }
  return cols;
}

void Activations::Encode(const kernels::Kernels& kernels, size_t token) const {
  if (codes == nullptr) return;
  kernels.quantize(row(token), cols, codes + token * kernels::PaddedCols(cols),
                   scales + token * kernels::BlockCount(cols));
}

size_t UnitRows(const Matrix& matrix, size_t tokens) {
  if (tokens > 1) return kernels::kPanelRows;
  // An even number of equal units: two threads end together.
  const size_t stream_bytes = matrix.rows * matrix.row_bytes();
  const size_t units = (stream_bytes + 2 * kStreamBytes - 1) / (2 * kStreamBytes) * 2;
  const size_t rows = (matrix.rows + units - 1) / units;
  return (rows + kRowAlign - 1) / kRowAlign * kRowAlign;
}

Slice UnitSlice(const Matrix& matrix, size_t tokens, size_t unit) {
  const size_t rows = UnitRows(matrix, tokens);
  const size_t first = unit * rows;
  return {first, std::min(rows, matrix.rows - first)};
}

void Multiply(const kernels::Kernels& kernels, const Matrix& matrix, Slice slice,
              const Activations& x, size_t tokens, float* y, size_t y_stride, void* panel) {
  const auto* data = static_cast<const std::byte*>(matrix.data) + slice.first * matrix.row_bytes();
  y += slice.first;
  if (matrix.type == spec::WeightType::kBf16) {
    const kernels::Bf16Matrix w{reinterpret_cast<const uint16_t*>(data), slice.count, matrix.cols};
    return kernels.bf16_matmul(w, {x.values, x.cols, tokens}, y, y_stride, panel);
  }
  const kernels::QuantizedRows rows{x.codes, kernels::PaddedCols(x.cols), x.scales,
                                    kernels::BlockCount(x.cols), tokens};
  const float* scales = matrix.scales + slice.first;
  if (matrix.type == spec::WeightType::kS8) {
    const kernels::S8Matrix w{reinterpret_cast<const int8_t*>(data), scales, slice.count,
                              matrix.cols};
    return kernels.s8_matmul(w, rows, y, y_stride, panel);
  }
  const kernels::S4Matrix w{reinterpret_cast<const uint8_t*>(data),
                            matrix.factors + slice.first * kernels::S4Spans(matrix.cols), scales,
                            slice.count, matrix.cols};
  kernels.s4_matmul(w, rows, y, y_stride, panel);
}

}  // namespace axsim::model
