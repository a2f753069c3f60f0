#include "sim/faults/board.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace axsim::faults {
namespace {

class BoardTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/axsim-faults-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Board> Open(std::vector<Fault> configured = {}, int32_t card_id = 1) {
    auto board = Board::Open(folder_, card_id, std::move(configured));
    EXPECT_TRUE(board) << board.error().message;
    return board ? std::move(*board) : nullptr;
  }

  std::filesystem::path folder_;
};

TEST_F(BoardTest, AFaultCountsItsCallsAndFiresSoOften) {
  const auto board = Open();
  EXPECT_FALSE(board->Armed(Kind::kExecuteError));
  ASSERT_TRUE(board->Add({.kind = Kind::kExecuteError, .nth = 3, .count = 2}));
  EXPECT_TRUE(board->Armed(Kind::kExecuteError));
  EXPECT_FALSE(board->Armed(Kind::kHang));
  std::vector<uint64_t> fired;
  for (uint64_t call = 1; call <= 6; ++call) {
    if (const auto firing = board->Fire(Kind::kExecuteError)) {
      fired.push_back(call);
      EXPECT_EQ(firing->number, fired.size());
    }
  }
  EXPECT_EQ(fired, (std::vector<uint64_t>{3, 4}));
  const auto entries = board->List();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_FALSE(entries[0].configured);
  EXPECT_EQ(entries[0].calls, 6u);
  EXPECT_EQ(entries[0].fired, 2u);
}

TEST_F(BoardTest, UncountedCallsFireOnlyWhatCountsNone) {
  const auto board = Open();
  ASSERT_TRUE(board->Add({.kind = Kind::kDisconnect, .nth = 1}));
  EXPECT_FALSE(board->FireUncounted(Kind::kDisconnect));
  ASSERT_TRUE(board->Add({.kind = Kind::kDisconnect}));
  EXPECT_TRUE(board->FireUncounted(Kind::kDisconnect));
  EXPECT_FALSE(board->FireUncounted(Kind::kDisconnect));
  EXPECT_TRUE(board->Fire(Kind::kDisconnect));
}

TEST_F(BoardTest, FaultsOfTheRunningCardReachEveryProcess) {
  const auto mine = Open();
  const auto yours = Open();
  const auto other = Open({}, 2);
  ASSERT_TRUE(yours->Add({.kind = Kind::kHang, .nth = 2}));
  EXPECT_FALSE(mine->Fire(Kind::kHang));
  EXPECT_TRUE(yours->Fire(Kind::kHang));  // the second call of the card
  EXPECT_FALSE(mine->Fire(Kind::kHang));
  EXPECT_FALSE(other->Armed(Kind::kHang));
}

TEST_F(BoardTest, ConfiguredFaultsAreTheProcesssOwnButCountForTheCard) {
  const Fault twice{.kind = Kind::kExecuteError, .count = 1};
  const auto mine = Open({twice, twice, {.kind = Kind::kHang}});
  const auto same = Open({twice, twice});
  const auto none = Open();
  EXPECT_FALSE(none->Fire(Kind::kExecuteError));
  EXPECT_FALSE(same->Armed(Kind::kHang));
  EXPECT_TRUE(mine->Fire(Kind::kExecuteError));
  EXPECT_TRUE(same->Fire(Kind::kExecuteError));
  EXPECT_FALSE(mine->Fire(Kind::kExecuteError));
  EXPECT_FALSE(same->Fire(Kind::kExecuteError));
  EXPECT_FALSE(Open({twice, twice})->Fire(Kind::kExecuteError));  // a process that comes later
  EXPECT_EQ(none->List().size(), 3u);
  EXPECT_TRUE(none->List()[0].configured);
}

TEST_F(BoardTest, AResetForgetsWhatWasGivenAndArmsTheConfiguredAnew) {
  const auto board = Open({{.kind = Kind::kExecuteError}});
  ASSERT_TRUE(board->Add({.kind = Kind::kHang, .count = 0}));
  EXPECT_TRUE(board->Fire(Kind::kExecuteError));
  EXPECT_FALSE(board->Fire(Kind::kExecuteError));
  board->Disconnect({});
  board->LoseHeartbeat({});
  board->NeedReboot();
  board->SetVisibleId(9);
  Open()->Reset();
  EXPECT_FALSE(board->Fire(Kind::kHang));
  EXPECT_TRUE(board->Fire(Kind::kExecuteError));
  EXPECT_FALSE(board->IsGone() || board->IsDeaf() || board->NeedsReboot());
  EXPECT_EQ(board->visible_id(), 1);
}

TEST_F(BoardTest, WhatFaultsLeaveBehindIsSharedAndHeals) {
  const auto mine = Open();
  const auto yours = Open();
  mine->Disconnect({});
  mine->LoseHeartbeat({});
  mine->NeedReboot();
  EXPECT_TRUE(yours->IsGone() && yours->IsDeaf() && yours->NeedsReboot());
  yours->Heal();
  EXPECT_FALSE(mine->IsGone() || mine->IsDeaf() || mine->NeedsReboot());
  mine->Disconnect(0);
  mine->LoseHeartbeat(0);
  EXPECT_FALSE(yours->IsGone() || yours->IsDeaf());  // that time is over
}

TEST_F(BoardTest, UsedUpFaultsMakeRoomAndOthersDoNot) {
  const auto board = Open();
  for (size_t i = 0; i < kMostFaults; ++i) ASSERT_TRUE(board->Add({.kind = Kind::kHang}));
  const auto refused = board->Add({.kind = Kind::kExecuteError});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("sim reset"), std::string::npos);
  EXPECT_TRUE(board->Fire(Kind::kHang));
  EXPECT_TRUE(board->Add({.kind = Kind::kExecuteError}));
  EXPECT_TRUE(board->Fire(Kind::kExecuteError));
}

TEST_F(BoardTest, FilesThatAreNotOursAreRefused) {
  std::ofstream(folder_ / "card-1.v1.faults") << "not a page";
  const auto board = Board::Open(folder_, 1, {});
  ASSERT_FALSE(board);
  EXPECT_NE(board.error().message.find("card-1.v1.faults"), std::string::npos);
}

TEST_F(BoardTest, TextThatIsNotOursIsNoFault) {
  {
    ASSERT_TRUE(Open()->Add({.kind = Kind::kHang}));
  }
  const auto path = folder_ / "card-1.v1.faults";
  std::string page;
  {
    std::ifstream file(path, std::ios::binary);
    page.assign(std::istreambuf_iterator<char>(file), {});
  }
  const size_t at = page.find("hang");
  ASSERT_NE(at, std::string::npos);
  page[at] = '\xff';
  std::ofstream(path, std::ios::binary) << page;
  const auto board = Open();
  EXPECT_TRUE(board->List().empty());
  EXPECT_FALSE(board->Armed(Kind::kHang));
}

// Killed wherever it may be: what is there afterwards is whole, and the file's lock is free.
TEST_F(BoardTest, AProcessThatIsKilledWhileItGivesFaultsLeavesThePageUsable) {
  const auto board = Open();
  for (int round = 0; round < 20; ++round) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      const auto own = Board::Open(folder_, 1, {});
      if (!own || write(ready[1], "x", 1) != 1) _exit(1);
      for (;;) {
        (void)(*own)->Add({.kind = Kind::kHang, .nth = 1'000'000});
        (*own)->Reset();
      }
    }
    close(ready[1]);
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    for (int i = 0; i < round * 50; ++i) (void)board->Armed(Kind::kHang);
    kill(pid, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_LE(board->List().size(), 1u);
    board->Reset();
    ASSERT_TRUE(board->Add({.kind = Kind::kExecuteError}));
    EXPECT_TRUE(board->Fire(Kind::kExecuteError));
    board->Reset();
    EXPECT_TRUE(board->List().empty());
  }
}

}  // namespace
}  // namespace axsim::faults
