#include "sim/build/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/bf16.h"
#include "sim/build/dequantise.h"

namespace axsim::build {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;

constexpr uint64_t kRowsPerCheck = 64;

auto NotFinite(const Tensor& tensor) {
  return Fail(ErrorKind::kInvalid,
              fmt::format("tensor \"{}\" holds NaN or infinity: the file is damaged", tensor.name));
}

}  // namespace

uint64_t SourceRow(RowOrder order, const spec::Program& program, uint64_t row) {
  if (order == RowOrder::kPlain) return row;
  const uint64_t within = row % program.head_dim;
  const uint64_t half = program.rope_dims / 2;
  if (within >= 2 * half) return row;
  return row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

float QuantiseRow(std::span<const float> row, int8_t* codes) {
  float most = 0;
  for (const float value : row) most = std::max(most, std::fabs(value));
  const float scale = most / 127.0f;
  if (scale == 0) {
    std::fill(codes, codes + row.size(), int8_t{0});
    return 0;
  }
  // Adding 1.5 * 2^23 leaves no bits below 1: the addition itself rounds to nearest, ties to even.
  constexpr float kRound = 12582912.0f;
  for (size_t i = 0; i < row.size(); ++i) {
    const float code = (row[i] / scale + kRound) - kRound;
    codes[i] = static_cast<int8_t>(std::clamp(code, -127.0f, 127.0f));
  }
  return scale;
}

Result<Weights> MakeWeights(const Tensor& tensor, const WeightRule& rule,
                            const spec::Program& program, const StopCheck& stop) {
  Weights out;
  std::vector<float> row(rule.cols);
  if (rule.rows == 0) {
    DequantiseRow(tensor, 0, row);
    if (!AllFinite(row)) return NotFinite(tensor);
    out.data.resize(rule.cols * sizeof(float));
    for (uint64_t i = 0; i < rule.cols; ++i) {
      const float value = row[SourceRow(rule.order, program, i)] + rule.offset;
      memcpy(&out.data[i * sizeof(float)], &value, sizeof(float));
    }
    return out;
  }
  const bool s8 = program.weights == spec::WeightType::kS8;
  out.data.resize(rule.rows * rule.cols * (s8 ? 1 : 2));
  out.scales.resize(s8 ? rule.rows : 0);
  for (uint64_t r = 0; r < rule.rows; ++r) {
    if (r % kRowsPerCheck == 0 && stop()) return Fail(ErrorKind::kCancelled, "interrupted");
    DequantiseRow(tensor, SourceRow(rule.order, program, r), row);
    if (!AllFinite(row)) return NotFinite(tensor);
    if (s8) {
      out.scales[r] = QuantiseRow(row, reinterpret_cast<int8_t*>(&out.data[r * rule.cols]));
      continue;
    }
    for (uint64_t c = 0; c < rule.cols; ++c) {
      const uint16_t bits = axollama::FloatToBf16(row[c]);
      memcpy(&out.data[(r * rule.cols + c) * 2], &bits, 2);
    }
  }
  return out;
}

}  // namespace axsim::build
