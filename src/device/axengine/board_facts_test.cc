#include "device/axengine/board_facts.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

namespace axollama::device::axengine {
namespace {

class BoardFactsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ax-facts-XXXXXX").string();
    root_ = mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void Write(const char* path, std::string_view text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  std::filesystem::path root_;
};

TEST_F(BoardFactsTest, AreReadFromTheBoardsFiles) {
  Write("proc/ax_proc/version", "Ax_Version V1.45.0_P39_20240830020829\n");
  Write("proc/ax_proc/uid", "ax_uid: 0x40855e3a9b7c0d12\n");
  Write("proc/ax_proc/npu/top",
        "core:0 time:1000 period:1000 utilization:40%\ncore:1 utilization:20%\n"
        "core:2 utilization: 90%\n");
  Write("sys/class/thermal/thermal_zone0/temp", "52500\n");
  const BoardFacts facts = ReadBoardFacts(root_);
  EXPECT_EQ(facts.firmware, "V1.45.0_P39_20240830020829");
  EXPECT_EQ(facts.uid, 0x40855e3a9b7c0d12u);
  EXPECT_EQ(facts.temperature_c, 52.5);
  EXPECT_EQ(facts.npu_percent, 50);
}

TEST_F(BoardFactsTest, WhatIsNotThereIsLeftOut) {
  const BoardFacts none = ReadBoardFacts(root_);
  EXPECT_EQ(none.firmware, "");
  EXPECT_EQ(none.uid, 0u);
  EXPECT_EQ(none.temperature_c, std::nullopt);
  EXPECT_EQ(none.npu_percent, std::nullopt);
}

TEST_F(BoardFactsTest, NonsenseIsLeftOut) {
  Write("proc/ax_proc/version", "");
  Write("proc/ax_proc/uid", "ax_uid: 0xfffffffffffffffffffff\n");
  Write("proc/ax_proc/npu/top", "nputop info is empty! utilization:\n");
  Write("sys/class/thermal/thermal_zone0/temp", "2147483647");
  const BoardFacts facts = ReadBoardFacts(root_);
  EXPECT_EQ(facts.uid, 0u);
  EXPECT_EQ(facts.temperature_c, std::nullopt);
  EXPECT_EQ(facts.npu_percent, std::nullopt);
  Write("proc/ax_proc/npu/top", "utilization:4000%");
  EXPECT_EQ(ReadBoardFacts(root_).npu_percent, std::nullopt);
}

}  // namespace
}  // namespace axollama::device::axengine
