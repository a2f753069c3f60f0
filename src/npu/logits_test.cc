#include "npu/logits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
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

TEST(LogitsTest, TheGreatestIsFoundAmongAnyBits) {
  std::mt19937 random(11);
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<uint16_t> special = {0x0000, 0x8000, 0x7f80, 0xff80, 0x7fc0, 0xffc0,
                                         0x7fff, 0xffff, 0x7f7f, 0xff7f, 0x0001, 0x8001};
  for (int round = 0; round < 4000; ++round) {
    std::vector<uint16_t> bits(random() % 140 + 1);
    const uint32_t kind = random() % 4;
    for (uint16_t& value : bits) {
      value = kind == 0 ? special[random() % special.size()] : static_cast<uint16_t>(random());
      if (kind == 1) value |= 0x8000;
      if (kind == 2) value &= 0xbfff;  // no NaN, no infinity
    }
    std::vector<float> floats;
    for (const uint16_t value : bits) floats.push_back(Bf16ToFloat(value));
    const size_t first = random() % bits.size();
    const size_t count = random() % (bits.size() - first + 1);
    float most = -infinity;
    for (size_t i = 0; i < count; ++i) {
      if (floats[first + i] > most) most = floats[first + i];
    }
    const Logits narrow(std::as_bytes(std::span(bits)), 2), wide(floats);
    ASSERT_EQ(narrow.Greatest(first, count), most) << round;
    ASSERT_EQ(wide.Greatest(first, count), most) << round;
  }
}

TEST(LogitsTest, NoneIsEmpty) {
  const Logits none;
  EXPECT_EQ(none.Greatest(0, 0), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(none.size(), 0u);
  none.ForEachBlock([](size_t, std::span<const float>) { FAIL() << "there is no block"; });
}

}  // namespace
}  // namespace axollama::npu
