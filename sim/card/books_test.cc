#include "sim/card/books.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/clock.h"

namespace axsim::card {
namespace {

constexpr uint64_t kMiB = 1ull << 20;
constexpr int64_t kSecondNs = 1'000'000'000;

class BooksTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/axsim-books-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Books> Open() {
    auto books = Books::Open(folder_, card_);
    EXPECT_TRUE(books) << books.error().message;
    return books ? std::move(*books) : nullptr;
  }

  // Runs `work` on books of its own in a child, which then stays until it is killed; the pid.
  template <typename Work>
  pid_t Child(const Work& work) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      auto books = Books::Open(folder_, card_);
      if (!books || !work(**books) || write(ready[1], "x", 1) != 1) _exit(1);
      while (true) pause();
    }
    close(ready[1]);
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the child failed";
    close(ready[0]);
    return pid;
  }
  static void Kill(pid_t pid) {
    ASSERT_GT(pid, 0);  // kill would take -1 for everybody
    kill(pid, SIGKILL);
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status));
  }

  std::filesystem::path folder_;
  config::Card card_{.id = 1, .cmm_mib = 100, .leak_on_kill = true};
};

TEST_F(BooksTest, AnIdleCardUsesItsBaseline) {
  const auto books = Open();
  EXPECT_EQ(books->total_bytes(), 100 * kMiB);
  EXPECT_EQ(books->used_bytes(), kBaselineBytes);
  EXPECT_EQ(books->holders(), 0u);
}

TEST_F(BooksTest, TakesWholePagesUpToTheLimit) {
  const auto books = Open();
  EXPECT_FALSE(books->Take(1)) << "no place yet";
  ASSERT_TRUE(books->Join());
  ASSERT_TRUE(books->Take(1));
  EXPECT_EQ(books->used_bytes(), kBaselineBytes + kPageBytes);
  EXPECT_FALSE(books->Take(82 * kMiB));
  EXPECT_TRUE(books->Take(82 * kMiB - kPageBytes));
  EXPECT_EQ(books->used_bytes(), books->total_bytes());
  EXPECT_FALSE(books->Take(1));
  EXPECT_FALSE(books->Take(~uint64_t{0}));
  books->Give(1);
  EXPECT_TRUE(books->Take(1));
  books->Leave();
  EXPECT_EQ(books->used_bytes(), kBaselineBytes);
}

TEST_F(BooksTest, HoldersShareOneCard) {
  const auto first = Open();
  const auto second = Open();  // another open file: another holder, as from another process
  ASSERT_TRUE(first->Join());
  ASSERT_TRUE(second->Join());
  EXPECT_EQ(first->holders(), 2u);
  ASSERT_TRUE(first->Take(50 * kMiB));
  EXPECT_FALSE(second->Take(50 * kMiB));
  EXPECT_TRUE(second->Take(10 * kMiB));
  first->Leave();
  EXPECT_EQ(second->used_bytes(), kBaselineBytes + 10 * kMiB);
}

TEST_F(BooksTest, AKilledProcessLeavesItsMemoryTakenUntilReboot) {
  const auto books = Open();
  Kill(Child([](Books& its) { return its.Join() && its.Take(30 * kMiB); }));
  EXPECT_EQ(books->used_bytes(), kBaselineBytes + 30 * kMiB);
  ASSERT_TRUE(books->Join());
  EXPECT_FALSE(books->Take(60 * kMiB));
  EXPECT_EQ(books->used_bytes(), kBaselineBytes + 30 * kMiB) << "a new holder reused its place";
  books->Reboot();
  EXPECT_EQ(books->used_bytes(), kBaselineBytes);
  EXPECT_FALSE(books->IsCurrent());
  EXPECT_FALSE(books->Take(1)) << "its hold ended too";
  ASSERT_TRUE(books->Join());
  EXPECT_TRUE(books->Take(60 * kMiB));
}

TEST_F(BooksTest, WithoutLeakTheMemoryComesBack) {
  card_.leak_on_kill = false;
  const auto books = Open();
  const pid_t pid = Child([](Books& its) { return its.Join() && its.Take(30 * kMiB); });
  EXPECT_EQ(books->used_bytes(), kBaselineBytes + 30 * kMiB);
  Kill(pid);
  EXPECT_EQ(books->used_bytes(), kBaselineBytes);
}

TEST_F(BooksTest, AKilledProcessThatHeldNothingFreesItsPlace) {
  const auto books = Open();
  Kill(Child([](Books& its) { return its.Join(); }));
  EXPECT_EQ(books->holders(), 0u);
}

TEST_F(BooksTest, RebootEndsTheHoldsOfLivingProcesses) {
  const auto books = Open();
  const pid_t pid = Child([](Books& its) { return its.Join() && its.Take(30 * kMiB); });
  books->Reboot();
  EXPECT_EQ(books->used_bytes(), kBaselineBytes);
  ASSERT_TRUE(books->Join());
  ASSERT_TRUE(books->Take(5 * kMiB));
  Kill(pid);
  EXPECT_EQ(books->used_bytes(), kBaselineBytes + 5 * kMiB);
}

TEST_F(BooksTest, GivingBackAfterARebootChangesNothing) {
  const auto books = Open();
  ASSERT_TRUE(books->Join());
  ASSERT_TRUE(books->Take(kMiB));
  books->Reboot();
  books->Give(kMiB);
  EXPECT_EQ(books->used_bytes(), kBaselineBytes);
}

// Killed at whatever point: what the books say afterwards is a number of whole takes, and the
// locks are free.
TEST_F(BooksTest, KillsInTheMiddleOfWorkLeaveWholeNumbers) {
  const auto books = Open();
  for (int round = 0; round < 25; ++round) {
    const uint64_t before = books->used_bytes();
    int started[2];
    ASSERT_EQ(pipe(started), 0);
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      auto its = Books::Open(folder_, card_);
      if (!its || write(started[1], "x", 1) != 1) _exit(1);
      while (true) {
        (*its)->Join();
        for (int i = 0; i < 3; ++i) (*its)->Take(kPageBytes);
        const Books::NpuTurn turn(**its);
        (*its)->Give(kPageBytes);
        (*its)->Leave();
      }
    }
    close(started[1]);
    char byte = 0;
    ASSERT_EQ(read(started[0], &byte, 1), 1);
    close(started[0]);
    usleep(static_cast<useconds_t>(round * 137));  // spreads the kills; nothing waits for it
    Kill(pid);
    const uint64_t leaked = books->used_bytes() - before;
    EXPECT_EQ(leaked % kPageBytes, 0u);
    EXPECT_LE(leaked, 3 * kPageBytes);
    const Books::NpuTurn turn(*books);  // would wait for ever if the dead one still held it
  }
}

TEST_F(BooksTest, WhoExecutesAndWhoLoadsIsKnownToAll) {
  const auto books = Open();
  EXPECT_FALSE(books->IsExecuting() || books->IsLoading() || books->DiedLoading());
  const pid_t pid = Child([](Books& its) {
    if (!its.Join() || !its.Take(kMiB)) return false;
    const auto* load = new Books::LoadTurn(its);  // until it is killed
    const auto* npu = new Books::NpuTurn(its);
    return load != nullptr && npu != nullptr;
  });
  EXPECT_TRUE(books->IsExecuting() && books->IsLoading());
  EXPECT_FALSE(books->DiedLoading());
  Kill(pid);
  EXPECT_FALSE(books->IsExecuting() || books->IsLoading());
  EXPECT_TRUE(books->DiedLoading());
  books->Reboot();
  EXPECT_FALSE(books->DiedLoading());
}

TEST_F(BooksTest, ALoadThatARebootEndedIsNoneOfTheNextSession) {
  const auto books = Open();
  ASSERT_TRUE(books->Join());
  {
    const Books::LoadTurn load(*books);
    books->Reboot();
    ASSERT_TRUE(books->Join());
  }
  EXPECT_FALSE(books->IsLoading());
}

TEST_F(BooksTest, ALoadThatAResetEndedIsNoneOfTheNextSession) {
  const auto books = Open();
  ASSERT_TRUE(books->Join());
  {
    const Books::LoadTurn old(*books);
    books->Leave();
    ASSERT_TRUE(books->Join());
    EXPECT_FALSE(books->IsLoading());
  }
  EXPECT_FALSE(books->IsLoading());
  const Books::LoadTurn load(*books);
  EXPECT_TRUE(books->IsLoading());
}

TEST_F(BooksTest, LoadIsTheShareOfTimeInExecutes) {
  const auto books = Open();
  const int64_t now_ns = 1000 * kSecondNs;
  EXPECT_EQ(books->Load(now_ns, 2 * kSecondNs), 0.0);
  books->RecordExecute(now_ns - kSecondNs, now_ns);
  const double busy = books->Load(now_ns, 2 * kSecondNs);
  EXPECT_GT(busy, 0.4);
  EXPECT_LT(busy, 0.8);
  EXPECT_LT(books->Load(now_ns, 30 * kSecondNs), 0.1);
  EXPECT_EQ(books->Load(now_ns + 40 * kSecondNs, 30 * kSecondNs), 0.0) << "old work is forgotten";
  books->RecordExecute(now_ns + 60 * kSecondNs, now_ns + 200 * kSecondNs);
  EXPECT_NEAR(books->Load(now_ns + 200 * kSecondNs, 2 * kSecondNs), 1.0, 0.01);
}

// Where time is simulated an execute may end later than its turn.
TEST_F(BooksTest, TheNpusTimeIsSharedByAllProcesses) {
  const auto books = Open();
  const int64_t now_ns = axollama::MonotonicNs();
  const pid_t pid = Child([&](Books& its) {
    Books::NpuTurn turn(its);
    turn.SetSpan(now_ns, now_ns + kSecondNs);
    return true;
  });
  EXPECT_EQ(Books::NpuTurn(*books).free_at_ns(), now_ns + kSecondNs);
  Kill(pid);
  {
    Books::NpuTurn turn(*books);
    turn.SetSpan(turn.free_at_ns(), turn.free_at_ns() + kSecondNs);
  }
  EXPECT_EQ(Books::NpuTurn(*books).free_at_ns(), now_ns + 2 * kSecondNs);
  EXPECT_NEAR(books->Load(now_ns + 2 * kSecondNs, 2 * kSecondNs), 1.0, 0.01);
  books->Reboot();
  EXPECT_EQ(Books::NpuTurn(*books).free_at_ns(), 0);
  // The state of a machine that has booted since: its clock was further on.
  {
    Books::NpuTurn turn(*books);
    turn.SetSpan(now_ns, now_ns + 86400 * kSecondNs);
  }
  EXPECT_EQ(Books::NpuTurn(*books).free_at_ns(), 0);
}

TEST_F(BooksTest, AnotherFileInItsPlaceIsRefused) {
  std::ofstream(folder_ / "card-1.v3.books") << "not the books";
  const auto books = Books::Open(folder_, card_);
  ASSERT_FALSE(books);
  EXPECT_NE(books.error().message.find("card-1.v3.books"), std::string::npos);
}

}  // namespace
}  // namespace axsim::card
