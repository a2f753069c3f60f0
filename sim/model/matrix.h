// A weight matrix of any type, and the rows of activations it is multiplied with.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sim/kernels/kernels.h"
#include "sim/spec/program.h"

namespace axsim::model {

// Points into the model's file.
struct Matrix {
  spec::WeightType type = spec::WeightType::kS8;
  const void* data = nullptr;        // [rows, row_bytes]
  const uint8_t* factors = nullptr;  // [rows, S4Spans(cols)], s4 only
  const float* scales = nullptr;     // [rows], s8 and s4
  size_t rows = 0;
  size_t cols = 0;

  // Whether it is multiplied with codes of activations, not with floats.
  bool takes_codes() const { return type != spec::WeightType::kBf16; }
  size_t row_bytes() const;
};

// The input of a multiplication: floats, and where the matrix takes them their codes. Points into
// scratch.
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
