#include "sim/build/s4.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "sim/spec/program.h"

namespace axsim::build {
namespace {

struct Row {
  explicit Row(const std::vector<float>& x)
      : codes(spec::S4Spans(x.size()) * spec::kS4SpanBytes),
        factors(spec::S4Spans(x.size())),
        scale(S4Quantiser().QuantiseRow(x, codes.data(), factors.data(), &sums)) {}

  int Code(size_t c) const {
    const int byte = codes[c / 64 * 32 + c % 32];
    const int nibble = c % 64 < 32 ? byte & 15 : byte >> 4;
    return nibble < 8 ? nibble : nibble - 16;
  }
  int Factor(size_t c) const {
    return (c % 64 < 32 ? factors[c / 64] & 15 : factors[c / 64] >> 4) + 1;
  }
  float Value(size_t c) const { return static_cast<float>(Code(c) * Factor(c)) * scale; }

  SquareSums sums;
  std::vector<uint8_t> codes, factors;
  float scale;
};

std::vector<float> Normals(size_t n, float spread, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> x(n);
  for (float& v : x) v = std::normal_distribution<float>(0, spread)(random);
  return x;
}

TEST(S4, EveryGroupHasAStepOfItsOwn) {
  // Groups of 32 whose values differ by a factor of ten; the last one is short.
  std::vector<float> x;
  for (size_t g = 0; g < 6; ++g) {
    for (const float v : Normals(g == 5 ? 9 : 32, g % 2 == 0 ? 1.0f : 0.1f, 1)) x.push_back(v);
  }
  const Row row(x);
  for (size_t g = 0; g < 6; ++g) {
    double values = 0, errors = 0;
    for (size_t c = g * 32; c < std::min(x.size(), (g + 1) * 32); ++c) {
      values += double{x[c]} * x[c];
      errors += std::pow(double{row.Value(c)} - x[c], 2);
    }
    EXPECT_LT(std::sqrt(errors / values), 0.13) << "group " << g;
  }
  for (size_t c = x.size(); c < 6 * 32; ++c) EXPECT_EQ(row.Code(c), 0) << c;
}

TEST(S4, ReportsWhatItChanged) {
  const std::vector<float> x = Normals(600, 0.3f, 2);
  const Row row(x);
  double values = 0, errors = 0;
  for (size_t c = 0; c < x.size(); ++c) {
    values += double{x[c]} * x[c];
    errors += std::pow(double{row.Value(c)} - x[c], 2);
  }
  EXPECT_NEAR(row.sums.values, values, values * 1e-9);
  EXPECT_NEAR(row.sums.errors, errors, errors * 1e-3);
  // A bell curve in 4 bits: about a tenth, where rounding within the largest value alone gives
  // 0.12.
  EXPECT_LT(std::sqrt(errors / values), 0.105);
}

TEST(S4, ZerosAndTheSmallestNumbersBecomeZero) {
  for (const float v : {0.0f, -0.0f, 1e-40f, std::numeric_limits<float>::denorm_min()}) {
    const Row row(std::vector<float>(70, v));
    EXPECT_EQ(row.scale, 0.0f);
    for (size_t c = 0; c < 128; ++c) EXPECT_EQ(row.Code(c), 0);
  }
}

TEST(S4, TheLargestNumbersStayFinite) {
  const float most = std::numeric_limits<float>::max();
  const Row row({most, -most, 1.0f, most / 2});
  EXPECT_TRUE(std::isfinite(row.scale));
  EXPECT_GT(row.Code(0), 5);
  EXPECT_LT(row.Code(1), -5);
}

}  // namespace
}  // namespace axsim::build
