// One row of a matrix as s4: 4-bit codes, a factor for every 32 columns, one scale.
//
// The layout is that of sim/spec/program.h. The least squared error decides: the best factor of
// each group for a scale at which the largest value fits, then the best scale for those codes
// (docs/decisions/s4-weights.md has the numbers). Threads: one object each.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace axsim::build {

// Squares of the row's values, and of what quantising changed them by.
struct SquareSums {
  double values = 0;
  double errors = 0;
};

// Buffers that a caller keeps between rows.
class S4Quantiser {
 public:
  // codes [S4Spans(row.size()) * 32], factors [S4Spans(row.size())]; returns the row's scale.
  float QuantiseRow(std::span<const float> row, uint8_t* codes, uint8_t* factors, SquareSums* sums);

 private:
  void ChooseCodes(float scale);

  std::vector<float> row_;     // [groups * 32], zero beyond the columns
  std::vector<float> values_;  // [groups * 32] code * factor
  std::vector<int> factors_;   // [groups]
};

}  // namespace axsim::build
