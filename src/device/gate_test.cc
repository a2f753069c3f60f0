#include "device/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

namespace axollama::device {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using ::testing::HasSubstr;

constexpr uint64_t kUid = 0xabc;

class GateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ax-gate-XXXXXX").string();
    root_ = mkdtemp(name.data());
    folder_ = root_ / "run";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<CardGate> Gate() {
    auto gate = CardGate::Open(folder_, kUid);
    EXPECT_TRUE(gate) << gate.error().message;
    return gate ? std::move(*gate) : nullptr;
  }
  static bool Never() { return false; }
  static bool AtOnce() { return true; }

  std::filesystem::path root_, folder_;
};

TEST_F(GateTest, MakesAPrivateFolder) {
  const auto gate = Gate();
  struct stat facts;
  ASSERT_EQ(stat(folder_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777u, 0700u);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "card-abc.lease"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "card-abc.gate"));
}

TEST_F(GateTest, ManyMayExecuteAtOnce) {
  const auto a = Gate(), b = Gate();
  ASSERT_TRUE(a->Enter(AtOnce));
  ASSERT_TRUE(b->Enter(AtOnce));
  EXPECT_TRUE(a->Yield(AtOnce));
  a->Leave();
  b->Leave();
}

TEST_F(GateTest, OneLoadAtATime) {
  const auto a = Gate(), b = Gate();
  ASSERT_TRUE(a->AcquireLoad(minutes(1), Never));
  const Status stopped = b->AcquireLoad(minutes(1), AtOnce);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::kCancelled);
  const Status late = b->AcquireLoad(milliseconds(0), Never);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::kTimeout);
  EXPECT_THAT(late.error().message, HasSubstr("another model is being loaded"));
  a->ReleaseLoad();
  EXPECT_TRUE(b->AcquireLoad(milliseconds(0), Never));
}

TEST_F(GateTest, ALoadWaitsForExecutesAndKeepsNewOnesOut) {
  const auto runner = Gate(), loader = Gate(), late = Gate();
  ASSERT_TRUE(runner->Enter(Never));
  std::atomic<bool> loading{false};
  std::thread thread([&] {
    EXPECT_TRUE(loader->AcquireLoad(minutes(1), Never));
    loading = true;
    loader->ReleaseLoad();
  });
  // The waiting load is seen by newcomers, which then do not enter.
  while (late->Enter(AtOnce)) {
    late->Leave();
    std::this_thread::yield();
  }
  EXPECT_FALSE(loading);
  EXPECT_TRUE(runner->Yield(Never));  // lets the load in, and comes back after it
  thread.join();
  EXPECT_TRUE(loading);
  const Status other = loader->AcquireLoad(milliseconds(0), Never);
  ASSERT_FALSE(other) << "Yield must hold the gate again";
  EXPECT_THAT(other.error().message, HasSubstr("keeps computing"));
  runner->Leave();
  EXPECT_TRUE(loader->AcquireLoad(milliseconds(0), Never));
}

TEST_F(GateTest, AFailedLoadLetsGoOfTheLease) {
  const auto runner = Gate(), loader = Gate();
  ASSERT_TRUE(runner->Enter(Never));
  EXPECT_FALSE(loader->AcquireLoad(milliseconds(0), Never));
  const auto late = Gate();
  EXPECT_TRUE(late->Enter(AtOnce));
}

TEST_F(GateTest, ADeadLoaderHoldsNothing) {
  const auto gate = Gate();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto loader = CardGate::Open(folder_, kUid);
    _exit(loader && (*loader)->AcquireLoad(minutes(1), Never) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_GT(std::filesystem::file_size(folder_ / "card-abc.lease"), 0u) << "the mark is stale";
  EXPECT_TRUE(gate->Enter(AtOnce));
  EXPECT_TRUE(gate->Yield(AtOnce));
  EXPECT_EQ(std::filesystem::file_size(folder_ / "card-abc.lease"), 0u);
  gate->Leave();
  EXPECT_TRUE(gate->AcquireLoad(milliseconds(0), Never));
}

TEST_F(GateTest, OtherCardsHaveOtherGates) {
  const auto a = Gate();
  ASSERT_TRUE(a->AcquireLoad(minutes(1), Never));
  auto other = CardGate::Open(folder_, kUid + 1);
  ASSERT_TRUE(other);
  EXPECT_TRUE((*other)->AcquireLoad(milliseconds(0), Never));
}

TEST_F(GateTest, RefusesAFileAsFolder) {
  const auto gate = Gate();
  const auto refused = CardGate::Open(folder_ / "card-abc.lease", kUid);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("not a folder"));
}

}  // namespace
}  // namespace axollama::device
