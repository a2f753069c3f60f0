#include "sim/build/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "sim/build/dequantise.h"
#include "sim/build/dequantise_vectors.h"
#include "sim/build/test_gguf.h"

namespace axsim::build {
namespace {

using axollama::ErrorKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// f16: 0.5 is 0x3800, -2 is 0xc000.
constexpr uint16_t kHalf = 0x3800, kMinusTwo = 0xc000;

std::vector<float> FirstRow(TensorType type, const std::string& data, uint64_t cols,
                            uint64_t row = 0) {
  const std::span bytes(data.data(), data.size());
  const uint64_t rows = row + 1;
  const Tensor tensor{"t", type, {cols, rows}, std::as_bytes(bytes)};
  std::vector<float> out(cols);
  DequantiseRow(tensor, row, out);
  return out;
}

TEST(Dequantise, PlainTypes) {
  EXPECT_THAT(FirstRow(TensorType::kF32, RawAll<float>({1.5f, -3}), 2), ElementsAre(1.5f, -3.0f));
  EXPECT_THAT(FirstRow(TensorType::kF16, RawAll<uint16_t>({kHalf, kMinusTwo}), 2),
              ElementsAre(0.5f, -2.0f));
  EXPECT_THAT(FirstRow(TensorType::kBf16, RawAll<uint16_t>({0x3fc0, 0xc2f7}), 2),
              ElementsAre(1.5f, -123.5f));
}

TEST(Dequantise, Q8_0) {
  std::string data = Raw(kHalf);
  for (int i = 0; i < 32; ++i) data += static_cast<char>(i * 8 - 128);
  data += Raw(kMinusTwo) + std::string(32, '\x03');
  const auto row = FirstRow(TensorType::kQ8_0, data, 32);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(row[i], static_cast<float>(i * 8 - 128) * 0.5f) << i;
  EXPECT_THAT(FirstRow(TensorType::kQ8_0, data, 32, 1), ::testing::Each(-6.0f));
}

// Byte j holds element j in its low and element j + 16 in its high half.
TEST(Dequantise, Q4_0) {
  std::string data = Raw(kHalf);
  for (int j = 0; j < 16; ++j) data += static_cast<char>((15 - j) << 4 | j);
  const auto row = FirstRow(TensorType::kQ4_0, data, 32);
  for (int j = 0; j < 16; ++j) {
    EXPECT_EQ(row[j], static_cast<float>(j - 8) * 0.5f);
    EXPECT_EQ(row[j + 16], static_cast<float>(7 - j) * 0.5f);
  }
}

TEST(Dequantise, Q4_1) {
  std::string data = Raw(kHalf) + Raw(kMinusTwo);
  for (int j = 0; j < 16; ++j) data += static_cast<char>((15 - j) << 4 | j);
  const auto row = FirstRow(TensorType::kQ4_1, data, 32);
  for (int j = 0; j < 16; ++j) {
    EXPECT_EQ(row[j], static_cast<float>(j) * 0.5f - 2.0f);
    EXPECT_EQ(row[j + 16], static_cast<float>(15 - j) * 0.5f - 2.0f);
  }
}

// Bit for bit what ggml's own reader says of a random block; each is read as the second of a row.
TEST(Dequantise, TheOtherTypesAsGgmlReadsThem) {
  const auto check = [](TensorType type, std::span<const uint8_t> block,
                        std::span<const uint32_t> values) {
    std::string data(block.size(), '\0');
    data.append(block.begin(), block.end());
    const auto row = FirstRow(type, data, 2 * values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(std::bit_cast<uint32_t>(row[values.size() + i]), values[i])
          << "type " << static_cast<uint32_t>(type) << " value " << i;
    }
  };
  check(TensorType::kQ5_0, kQ50Block, kQ50Values);
  check(TensorType::kQ5_1, kQ51Block, kQ51Values);
  check(TensorType::kIq4Nl, kIq4NlBlock, kIq4NlValues);
  check(TensorType::kQ2K, kQ2KBlock, kQ2KValues);
  check(TensorType::kQ3K, kQ3KBlock, kQ3KValues);
  check(TensorType::kQ4K, kQ4KBlock, kQ4KValues);
  check(TensorType::kQ5K, kQ5KBlock, kQ5KValues);
  check(TensorType::kQ6K, kQ6KBlock, kQ6KValues);
}

TEST(Weights, RowsAreQuantisedToNearestEven) {
  const float row[] = {127, -127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 100.49f, 0};
  int8_t codes[9];
  EXPECT_EQ(QuantiseRow(row, codes), 1.0f);
  EXPECT_THAT(codes, ElementsAre(127, -127, 0, 2, 2, 0, -2, 100, 0));
  const float half[] = {-0.25f, 0.125f};
  EXPECT_EQ(QuantiseRow(half, codes), 0.25f / 127);
  EXPECT_EQ(codes[0], -127);
  EXPECT_EQ(codes[1], 64);  // 63.5 goes to the even neighbour
  const float zeros[] = {0, -0.0f};
  EXPECT_EQ(QuantiseRow(zeros, codes), 0.0f);
  EXPECT_THAT(std::vector(codes, codes + 2), ElementsAre(0, 0));
  // The smallest numbers keep to the range, whatever their scale rounds to.
  const float tiny[] = {std::numeric_limits<float>::denorm_min(), 1e-44f};
  QuantiseRow(tiny, codes);
  EXPECT_GE(codes[0], -127);
}

TEST(Weights, InterleavedPairsBecomeHalves) {
  spec::Program program;
  program.head_dim = 6;
  program.rope_dims = 4;
  std::vector<uint64_t> rows;
  for (uint64_t r = 0; r < 12; ++r) {
    rows.push_back(SourceRow(RowOrder::kInterleavedPairs, program, r));
    EXPECT_EQ(SourceRow(RowOrder::kPlain, program, r), r);
  }
  EXPECT_THAT(rows, ElementsAre(0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11));
}

TEST(Weights, MatricesTakeTheProgramsForm) {
  const std::string data = RawAll<float>({1, 2, 3, 4, 5, 6, 7, 8});  // 4 rows of 2
  const Tensor tensor{
      "t", TensorType::kF32, {2, 4}, std::as_bytes(std::span(data.data(), data.size()))};
  spec::Program program;
  program.head_dim = 4;
  program.rope_dims = 4;
  const WeightRule rule{"q", "t", 4, 2, RowOrder::kInterleavedPairs};
  const auto never = [] { return false; };
  const auto s8 = MakeWeights(tensor, rule, program, never);
  ASSERT_TRUE(s8);
  ASSERT_EQ(s8->parts.size(), 2u);
  EXPECT_EQ(s8->parts[1].name, "q.scale");
  const auto* scales = reinterpret_cast<const float*>(s8->parts[1].data.data());
  EXPECT_THAT(std::vector(scales, scales + 4),
              ElementsAre(2.0f / 127, 6.0f / 127, 4.0f / 127, 8.0f / 127));
  const auto* codes = reinterpret_cast<const int8_t*>(s8->parts[0].data.data());
  EXPECT_THAT(std::vector(codes, codes + 8), ElementsAre(64, 127, 106, 127, 95, 127, 111, 127));
  program.weights = spec::WeightType::kBf16;
  const auto bf16 = MakeWeights(tensor, rule, program, never);
  ASSERT_TRUE(bf16);
  ASSERT_EQ(bf16->parts.size(), 1u);
  const auto* bits = reinterpret_cast<const uint16_t*>(bf16->parts[0].data.data());
  EXPECT_THAT(std::vector(bits, bits + 4), ElementsAre(0x3f80, 0x4000, 0x40a0, 0x40c0));
  EXPECT_EQ(MakeWeights(tensor, rule, program, [] { return true; }).error().kind,
            ErrorKind::kCancelled);
}

TEST(Weights, RefusesNaN) {
  const std::string data = RawAll<float>({1, std::nanf("")});
  const Tensor tensor{
      "bad", TensorType::kF32, {2}, std::as_bytes(std::span(data.data(), data.size()))};
  const auto never = [] { return false; };
  for (const uint64_t rows : {0u, 1u}) {
    const WeightRule rule{"x", "bad", rows, 2, RowOrder::kPlain};
    const auto result = MakeWeights(tensor, rule, spec::Program(), never);
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, HasSubstr("\"bad\" holds NaN"));
  }
}

}  // namespace
}  // namespace axsim::build
