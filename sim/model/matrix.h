// A weight matrix of either type, and the rows of activations it is multiplied with.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sim/kernels/kernels.h"

namespace axsim::model {

// Points into the model's file.
struct Matrix {
  bool is_s8 = true;
  const void* data = nullptr;     // [rows, cols] int8 or bf16
  const float* scales = nullptr;  // [rows], s8 only
  size_t rows = 0;
  size_t cols = 0;
  size_t bytes() const { return rows * cols * (is_s8 ? 1 : 2); }
};

// The input of a multiplication: floats, and for s8 matrices their codes. Points into scratch.
struct Activations {
  float* values = nullptr;  // [tokens, cols]
  size_t cols = 0;
  int16_t* codes = nullptr;  // [tokens, PaddedCols(cols)], null for bf16 matrices
  float* scales = nullptr;   // [tokens, BlockCount(cols)]

  float* row(size_t token) const { return values + token * cols; }
  // Makes the codes of a row whose floats are complete.
  void Encode(const kernels::Kernels& kernels, size_t token) const;
};

// Rows of `matrix` that one thread takes at a time: short enough to balance, long enough to stream.
size_t UnitRows(const Matrix& matrix, size_t tokens);
inline uint32_t UnitCount(const Matrix& matrix, size_t tokens) {
  const size_t rows = UnitRows(matrix, tokens);
  return static_cast<uint32_t>((matrix.rows + rows - 1) / rows);
}

// The output rows of unit `unit`: [first, first + count).
struct Slice {
  size_t first;
  size_t count;
};
Slice UnitSlice(const Matrix& matrix, size_t tokens, size_t unit);

// y[t * y_stride + r] = row r of matrix . token t, for the rows of `slice`.
void Multiply(const kernels::Kernels& kernels, const Matrix& matrix, Slice slice,
              const Activations& x, size_t tokens, float* y, size_t y_stride, void* panel);

}  // namespace axsim::model
