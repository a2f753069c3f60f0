#include "sim/build/s4.h"

#include <algorithm>
#include <cmath>

#include "sim/spec/program.h"

namespace axsim::build {
namespace {

constexpr size_t kGroup = spec::kS4SpanCols / 2;
constexpr size_t kLanes = 8;  // of sums: fixed here, so that every compiler adds in one order
constexpr int kMaxFactor = 16;
// Factors from this part of the one that clips nothing are tried.
constexpr float kLeastPart = 0.6f;

// Adding 1.5 * 2^23 leaves no bits below 1: the addition itself rounds to nearest, ties to even.
float Code(float x) {
  constexpr float kRound = 12582912.0f;
  const float nearest = (x + kRound) - kRound;
  const float low = nearest > -8.0f ? nearest : -8.0f;
  return low < 7.0f ? low : 7.0f;
}

float SumLanes(const float (&lanes)[kLanes]) {
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

// The squared error of a group [kGroup] under one step.
float GroupError(const float* x, float step) {
  const float inverse = 1.0f / step;
  float lanes[kLanes] = {};
  for (size_t i = 0; i < kGroup; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) {
      const float error = Code(x[i + l] * inverse) * step - x[i + l];
      lanes[l] += error * error;
    }
  }
  return SumLanes(lanes);
}

float Largest(std::span<const float> x) {
  float most = 0;
  for (const float value : x) most = std::max(most, std::fabs(value));
  return most;
}

}  // namespace

void S4Quantiser::ChooseCodes(float scale) {
  for (size_t g = 0; g < factors_.size(); ++g) {
    const float* x = row_.data() + g * kGroup;
    const float whole = Largest({x, kGroup}) / (7.5f * scale);
    const int low = std::clamp(static_cast<int>(whole * kLeastPart), 1, kMaxFactor);
    const int high = std::clamp(static_cast<int>(whole) + 1, 1, kMaxFactor);
    int best = high;
    float least = GroupError(x, scale * static_cast<float>(high));
    for (int factor = high - 1; factor >= low; --factor) {
      const float error = GroupError(x, scale * static_cast<float>(factor));
      if (error < least) {
        least = error;
        best = factor;
      }
    }
    factors_[g] = best;
    const auto factor = static_cast<float>(best);
    const float inverse = 1.0f / (scale * factor);
    for (size_t i = 0; i < kGroup; ++i) values_[g * kGroup + i] = Code(x[i] * inverse) * factor;
  }
}

float S4Quantiser::QuantiseRow(std::span<const float> row, uint8_t* codes, uint8_t* factors,
                               SquareSums* sums) {
  const size_t spans = spec::S4Spans(row.size());
  row_.assign(spans * spec::kS4SpanCols, 0.0f);
  values_.assign(row_.size(), 0.0f);
  factors_.assign(row_.size() / kGroup, 1);
  std::copy(row.begin(), row.end(), row_.begin());
  float scale = Largest(row) / (7.5f * kMaxFactor);
  // The reciprocal of a step must be finite; such a row is as good as zero.
  if (scale < 1e-35f) scale = 0;
  if (scale != 0) {
    ChooseCodes(scale);
    double product = 0, square = 0;
    for (size_t i = 0; i < row_.size(); ++i) {
      product += double{row_[i]} * values_[i];
      square += double{values_[i]} * values_[i];
    }
    if (square > 0) scale = static_cast<float>(product / square);
  }
  for (size_t s = 0; s < spans; ++s) {
    const float* low = values_.data() + s * spec::kS4SpanCols;
    const int factor[2] = {factors_[2 * s], factors_[2 * s + 1]};
    for (size_t j = 0; j < kGroup; ++j) {
      const int a = static_cast<int>(low[j]) / factor[0];
      const int b = static_cast<int>(low[j + kGroup]) / factor[1];
      codes[s * spec::kS4SpanBytes + j] = static_cast<uint8_t>((a & 15) | (b & 15) << 4);
    }
    factors[s] = static_cast<uint8_t>((factor[0] - 1) | (factor[1] - 1) << 4);
  }
  for (size_t i = 0; i < row.size(); ++i) {
    const double error = double{values_[i]} * scale - row[i];
    sums->values += double{row[i]} * row[i];
    sums->errors += error * error;
  }
  return scale;
}

}  // namespace axsim::build
