// A process that is killed between any two of its instructions leaves the card's shared state
// usable. The child is traced and killed at every border of the kernel, and single-stepped to
// points between; AXSIM_KILL_POINTS asks for more of those than the daily round's.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/env.h"
#include "sim/card/books.h"
#include "sim/faults/board.h"

namespace axsim::card {
namespace {

constexpr uint64_t kDailyPoints = 6;

class KillPointsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/axsim-kill-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Books> OpenBooks() {
    auto books = Books::Open(folder_, {.id = 1, .cmm_mib = 100});
    if (!books) abort();
    return std::move(*books);
  }
  std::unique_ptr<faults::Board> OpenBoard() {
    auto board = faults::Board::Open(folder_, 1, {});
    if (!board) abort();
    return std::move(*board);
  }

  // Everything that changes shared state.
  static void Work(Books& books, faults::Board& board) {
    books.Join();
    books.Take(2 * kPageBytes);
    {
      const Books::LoadTurn load(books);
      const Books::NpuTurn npu(books);
      board.Fire(faults::Kind::kExecuteError);
    }
    (void)board.Add({.kind = faults::Kind::kHang});
    board.Disconnect(0);
    books.Give(kPageBytes);
    board.Reset();
    books.Leave();
  }

  // Lets a child work until it has entered or left the kernel so often, and for so many
  // instructions more; then kills it. False: it was done before.
  bool KillAt(uint64_t borders, uint64_t instructions) {
    const pid_t pid = fork();
    if (pid < 0) abort();
    if (pid == 0) {
      const auto books = OpenBooks();
      const auto board = OpenBoard();
      if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
      raise(SIGSTOP);
      Work(*books, *board);
      _exit(0);
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSTOPPED(status)) << "the child cannot be traced";
    for (uint64_t i = 0; i < borders + instructions && WIFSTOPPED(status); ++i) {
      ptrace(i < borders ? PTRACE_SYSCALL : PTRACE_SINGLESTEP, pid, nullptr, nullptr);
      waitpid(pid, &status, 0);
    }
    if (!WIFSTOPPED(status)) return false;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return true;
  }

  void ExpectUsable() {
    const auto books = OpenBooks();
    const auto board = OpenBoard();
    // What the dead held is a number of whole pages, and no lock is held.
    const uint64_t leaked_bytes = books->used_bytes() - kBaselineBytes;
    EXPECT_EQ(leaked_bytes % kPageBytes, 0u);
    EXPECT_LE(leaked_bytes, 2 * kPageBytes);
    ASSERT_TRUE(books->Join());
    EXPECT_TRUE(books->Take(kPageBytes));
    {
      const Books::NpuTurn npu(*books);
    }
    books->Leave();
    EXPECT_EQ(books->used_bytes(), kBaselineBytes + leaked_bytes);
    EXPECT_EQ(books->ForgetDead(), leaked_bytes);
    EXPECT_FALSE(books->IsLoading() || books->IsExecuting() || books->DiedLoading());
    EXPECT_LE(board->List().size(), 1u);
    board->Reset();
    ASSERT_TRUE(board->Add({.kind = faults::Kind::kExecuteError}));
    EXPECT_TRUE(board->Fire(faults::Kind::kExecuteError));
    board->Reset();
    EXPECT_FALSE(board->IsGone());
  }

  std::filesystem::path folder_;
};

TEST_F(KillPointsTest, TheStateIsUsableWhereverAProcessDies) {
  uint64_t borders = 0;
  for (; KillAt(borders, 0) && !HasFailure(); ++borders) {
    SCOPED_TRACE(borders);
    ExpectUsable();
    KillAt(borders, faults::Mix(1, borders) % 100);
    ExpectUsable();
  }
  EXPECT_GE(borders, 20u);  // it went through all of the work
  const auto asked = axollama::GetEnv("AXSIM_KILL_POINTS");
  const uint64_t points = asked ? std::strtoull(asked->c_str(), nullptr, 10) : kDailyPoints;
  for (uint64_t point = 0; point < points && !HasFailure(); ++point) {
    SCOPED_TRACE(point);
    // The longest way between two borders is a look at all places.
    KillAt(faults::Mix(2, point) % borders, faults::Mix(3, point) % 15'000);
    ExpectUsable();
  }
}

}  // namespace
}  // namespace axsim::card
