// The weights of one rule, reordered and in the form of the .axmodel.
//
// s8: symmetric per output row, scale = max|w| / 127, codes rounded to nearest, ties to even; a row
// of zeros has the scale 0. s4: s4.h; the post model's matrices are s8 then. bf16: rounded to
// nearest, ties to even. Vectors stay f32.
// The source is read one row at a time; the result is the only whole matrix in memory.
// Threads: plain functions; `stop` may be asked from the calling thread at any row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/build/description.h"
#include "sim/build/s4.h"
#include "sim/build/tensor.h"
#include "sim/container/axmodel.h"
#include "sim/spec/program.h"

namespace axsim::build {

// True ends the build with kCancelled.
using StopCheck = std::function<bool()>;

// An initialiser of the .axmodel.
struct Initialiser {
  std::string name;
  container::DataType type = container::DataType::kFp32;
  std::vector<int64_t> dims;
  std::vector<std::byte> data;
};

// The rule's vector; or its matrix, and where the weight type has them its factors and scales.
struct Weights {
  std::vector<Initialiser> parts;
  SquareSums s4_loss;  // zero for other types
};

// Which source row (or vector element) is row `row` of the program.
uint64_t SourceRow(RowOrder order, const spec::Program& program, uint64_t row);

// `program` says the weight type and the heads. NaN and infinity are refused.
axollama::Result<Weights> MakeWeights(const Tensor& tensor, const WeightRule& rule,
                                      const spec::Program& program, const StopCheck& stop);

// codes [row.size()]; returns the row's scale.
float QuantiseRow(std::span<const float> row, int8_t* codes);

// False when a value is NaN or infinite.
bool AllFinite(std::span<const float> values);

}  // namespace axsim::build
