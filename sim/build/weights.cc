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

using container::DataType;
using spec::WeightType;

constexpr uint64_t kRowsPerCheck = 64;

// Zeroed; the address stays when more are added.
std::byte* AddPart(std::string name, DataType type, std::vector<int64_t> dims, Weights* out) {
  uint64_t size = container::ElementBytes(type);
  for (const int64_t dim : dims) size *= static_cast<uint64_t>(dim);
  out->parts.push_back({std::move(name), type, std::move(dims), std::vector<std::byte>(size)});
  return out->parts.back().data.data();
}

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
  const auto rows = static_cast<int64_t>(rule.rows), cols = static_cast<int64_t>(rule.cols);
  std::vector<float> row(rule.cols);
  Weights out;
  if (rule.rows == 0) {
    DequantiseRow(tensor, 0, row);
    if (!AllFinite(row)) return NotFinite(tensor);
    std::byte* data = AddPart(rule.weight, DataType::kFp32, {cols}, &out);
    for (uint64_t i = 0; i < rule.cols; ++i) {
      const float value = row[SourceRow(rule.order, program, i)] + rule.offset;
      memcpy(data + i * sizeof(float), &value, sizeof(float));
    }
    return out;
  }
  const uint64_t spans = spec::S4Spans(rule.cols);
  std::byte *data = nullptr, *factors = nullptr, *scales = nullptr;
  const auto add_scales = [&] {
    scales = AddPart(rule.weight + ".scale", DataType::kFp32, {rows}, &out);
  };
  switch (program.weights) {
    case WeightType::kBf16:
      data = AddPart(rule.weight, DataType::kBf16, {rows, cols}, &out);
      break;
    case WeightType::kS8:
      data = AddPart(rule.weight, DataType::kInt8, {rows, cols}, &out);
      add_scales();
      break;
    case WeightType::kS4: {
      const auto n = static_cast<int64_t>(spans);
      data = AddPart(rule.weight, DataType::kUint8, {rows, n * spec::kS4SpanBytes}, &out);
      factors = AddPart(rule.weight + ".factor", DataType::kUint8, {rows, n}, &out);
      add_scales();
      break;
    }
  }
  S4Quantiser s4;
  for (uint64_t r = 0; r < rule.rows; ++r) {
    if (r % kRowsPerCheck == 0 && stop()) return Fail(ErrorKind::kCancelled, "interrupted");
    DequantiseRow(tensor, SourceRow(rule.order, program, r), row);
    if (!AllFinite(row)) return NotFinite(tensor);
    if (program.weights == WeightType::kBf16) {
      for (uint64_t c = 0; c < rule.cols; ++c) {
        const uint16_t bits = axollama::FloatToBf16(row[c]);
        memcpy(data + (r * rule.cols + c) * 2, &bits, 2);
      }
      continue;
    }
    const float scale =
        program.weights == WeightType::kS8
            ? QuantiseRow(row, reinterpret_cast<int8_t*>(data + r * rule.cols))
            : s4.QuantiseRow(row, reinterpret_cast<uint8_t*>(data + r * spans * spec::kS4SpanBytes),
                             reinterpret_cast<uint8_t*>(factors + r * spans), &out.s4_loss);
    memcpy(scales + r * sizeof(float), &scale, sizeof(float));
  }
  return out;
}

}  // namespace axsim::build
