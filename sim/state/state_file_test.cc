#include "sim/state/state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace axsim::state {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMagic = 7;
constexpr size_t kBytes = 4096;

class StateFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::filesystem::temp_directory_path() / "ax-state-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static void Close(const StateFile& file) {
    munmap(file.page, kBytes);
    close(file.fd);
  }

  std::filesystem::path folder_;
};

TEST_F(StateFileTest, IsMadeOnceAndShared) {
  const auto one = OpenStateFile(folder_ / "page", kMagic, kBytes);
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->page->generation.load(), 1u);
  one->page->generation.store(5);
  const auto other = OpenStateFile(folder_ / "page", kMagic, kBytes);
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ(other->page->generation.load(), 5u);
  Close(*one);
  Close(*other);
}

TEST_F(StateFileTest, WhatIsNotOursStaysAsItIs) {
  std::ofstream(folder_ / "text") << "something else";
  const auto file = OpenStateFile(folder_ / "text", kMagic, kBytes);
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("is not a state file of this simulated card"));
  EXPECT_EQ(std::filesystem::file_size(folder_ / "text"), 14u);
  Close(*OpenStateFile(folder_ / "page", kMagic, kBytes));
  EXPECT_FALSE(OpenStateFile(folder_ / "page", kMagic + 1, kBytes));
  EXPECT_FALSE(OpenStateFile(folder_ / "no" / "folder", kMagic, kBytes));
  std::filesystem::create_symlink(folder_ / "page", folder_ / "link");
  EXPECT_FALSE(OpenStateFile(folder_ / "link", kMagic, kBytes));
}

}  // namespace
}  // namespace axsim::state
