#include "base/disk_room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace axollama {
namespace {

TEST(DiskRoom, ADiskHasNoMoreThanItHas) {
  const auto folder = std::filesystem::temp_directory_path();
  EXPECT_TRUE(CheckDiskRoom(folder, 1, "a byte"));
  EXPECT_TRUE(CheckDiskRoom(folder / "not" / "there", 1, "a byte"));
  for (const auto& path : {folder, folder / "not" / "there"}) {
    const Status room = CheckDiskRoom(path, UINT64_MAX, "the model");
    ASSERT_FALSE(room);
    EXPECT_EQ(room.error().kind, ErrorKind::kIo);
    EXPECT_THAT(room.error().message,
                testing::MatchesRegex("not enough room on the disk of .*: the model needs "
                                      "18446744073.7 GB, .* GB are free"));
  }
  EXPECT_TRUE(CheckDiskRoom("", 0, "nothing"));
}

}  // namespace
}  // namespace axollama
