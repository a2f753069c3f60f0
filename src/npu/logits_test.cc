#include "npu/logits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace axollama::npu {
namespace {

// Longer than a block, and no multiple of what is converted at a time.
constexpr size_t kVocab = 2 * Logits::kBlock + 45;

std::vector<uint16_t> Bf16Row() {
  std::vector<uint16_t> row(kVocab);
  for (size_t i = 0; i < kVocab; ++i) {
    row[i] = FloatToBf16(std::sin(static_cast<float>(i)) * 30.0f);
  }
  row[7] = FloatToBf16(-std::numeric_limits<float>::infinity());
  row[kVocab - 1] = FloatToBf16(91.5f);
  return row;
}

TEST(LogitsTest, Bf16AndFloatsAreTheSameRow) {
  const std::vector<uint16_t> bits = Bf16Row();
  std::vector<float> floats;
  for (const uint16_t value : bits) floats.push_back(Bf16ToFloat(value));
  const Logits narrow(std::as_bytes(std::span(bits)), 2), wide(floats);
  ASSERT_EQ(narrow.size(), kVocab);
  ASSERT_EQ(wide.size(), kVocab);

  std::vector<float> whole(kVocab), part(50);
  narrow.Read(0, whole);
  EXPECT_EQ(whole, floats);
  narrow.Read(1001, part);
  EXPECT_EQ(part, std::vector<float>(floats.begin() + 1001, floats.begin() + 1051));
  wide.Read(1001, part);
  EXPECT_EQ(part, std::vector<float>(floats.begin() + 1001, floats.begin() + 1051));
  EXPECT_EQ(narrow[kVocab - 1], 91.5f);
  EXPECT_EQ(wide[kVocab - 1], 91.5f);
}

TEST(LogitsTest, BlocksCoverTheRowOnceAndInOrder) {
  const std::vector<uint16_t> bits = Bf16Row();
  const Logits logits(std::as_bytes(std::span(bits)), 2);
  std::vector<float> seen;
  logits.ForEachBlock([&](size_t first, std::span<const float> values) {
    EXPECT_EQ(first, seen.size());
    EXPECT_LE(values.size(), Logits::kBlock);
    seen.insert(seen.end(), values.begin(), values.end());
  });
  std::vector<float> whole(kVocab);
  logits.Read(0, whole);
  EXPECT_EQ(seen, whole);
}

TEST(LogitsTest, NoneIsEmpty) {
  const Logits none;
  EXPECT_EQ(none.size(), 0u);
  none.ForEachBlock([](size_t, std::span<const float>) { FAIL() << "there is no block"; });
}

}  // namespace
}  // namespace axollama::npu
