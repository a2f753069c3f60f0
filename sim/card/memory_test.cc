#include "sim/card/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

#include "sim/card/books.h"

namespace axsim::card {
namespace {

TEST(MemoryTest, AddressesAreNoHostPointers) {
  Memory memory(1);
  int on_host = 0;
  EXPECT_FALSE(IsDeviceAddress(reinterpret_cast<uintptr_t>(&on_host)));
  EXPECT_FALSE(IsDeviceAddress(reinterpret_cast<uintptr_t>(&memory)));
  EXPECT_TRUE(IsDeviceAddress(memory.Allocate(16)));
  EXPECT_TRUE(IsDeviceAddress(Memory(255).Allocate(16)));
}

TEST(MemoryTest, ResolvesInsideOneBlockOnly) {
  Memory memory(1);
  const uint64_t first = memory.Allocate(100);
  const uint64_t second = memory.Allocate(100);
  Memory::Range range;
  ASSERT_TRUE(memory.Resolve(first, 100, &range));
  EXPECT_EQ(range.bytes.size(), 100u);
  std::byte* base = range.bytes.data();
  ASSERT_TRUE(memory.Resolve(first + 40, 60, &range));
  EXPECT_EQ(range.bytes.data(), base + 40);
  EXPECT_FALSE(memory.Resolve(first + 40, 61, &range));
  EXPECT_FALSE(memory.Resolve(first, second - first + 1, &range));
  EXPECT_FALSE(memory.Resolve(first - 1, 1, &range));
  EXPECT_FALSE(memory.Resolve(0, 1, &range));
  EXPECT_FALSE(memory.Resolve(first, ~uint64_t{0}, &range));
  EXPECT_FALSE(Memory(1).Resolve(first, 1, &range));
}

TEST(MemoryTest, FreshMemoryIsNotZero) {
  Memory memory(1);
  Memory::Range range;
  ASSERT_TRUE(memory.Resolve(memory.Allocate(64), 64, &range));
  EXPECT_EQ(range.bytes[0], std::byte{0xff});
  EXPECT_EQ(range.bytes[63], std::byte{0xff});
}

TEST(MemoryTest, FreeTakesTheBaseAndIsFinal) {
  Memory memory(1);
  const uint64_t address = memory.Allocate(5000);
  EXPECT_EQ(memory.SizeOfBase(address), 5000u);
  EXPECT_FALSE(memory.SizeOfBase(address + 8));
  EXPECT_FALSE(memory.Free(address + 8));
  EXPECT_EQ(memory.Free(address), 5000u);
  EXPECT_FALSE(memory.Free(address));
  Memory::Range range;
  EXPECT_FALSE(memory.Resolve(address, 1, &range));
  EXPECT_NE(memory.Allocate(5000), address);
}

TEST(MemoryTest, ARangeOutlivesItsBlock) {
  Memory memory(1);
  const uint64_t address = memory.Allocate(4096);
  Memory::Range range;
  ASSERT_TRUE(memory.Resolve(address, 4096, &range));
  ASSERT_TRUE(memory.Free(address));
  std::memset(range.bytes.data(), 1, range.bytes.size());
  EXPECT_EQ(range.bytes[4095], std::byte{1});
}

// Each block takes two pages of the window, its gap included.
TEST(MemoryTest, AUsedUpWindowIsFilledFromItsGaps) {
  constexpr size_t kBlocks = 10;
  Memory memory(3, kBlocks * 2 * kPageBytes);
  std::vector<uint64_t> addresses;
  while (const uint64_t address = memory.Allocate(100)) addresses.push_back(address);
  ASSERT_EQ(addresses.size(), kBlocks);
  EXPECT_EQ(std::set<uint64_t>(addresses.begin(), addresses.end()).size(), kBlocks);

  ASSERT_TRUE(memory.Free(addresses[3]));
  EXPECT_EQ(memory.Allocate(100), addresses[3]);
  EXPECT_EQ(memory.Allocate(100), 0u);
  ASSERT_TRUE(memory.Free(addresses[0]));
  ASSERT_TRUE(memory.Free(addresses[5]));
  ASSERT_TRUE(memory.Free(addresses[6]));
  EXPECT_EQ(memory.Allocate(2 * kPageBytes), addresses[5]);
  EXPECT_EQ(memory.Allocate(2 * kPageBytes), 0u) << "what is left is too small";
  EXPECT_EQ(memory.Allocate(1), addresses[0]);
  EXPECT_EQ(memory.Allocate(~uint64_t{0} - 10 * kPageBytes), 0u);
}

}  // namespace
}  // namespace axsim::card
