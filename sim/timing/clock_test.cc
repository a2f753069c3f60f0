#include "sim/timing/clock.h"

#include <gtest/gtest.h>
#include <time.h>

#include <vector>

namespace axsim::timing {
namespace {

// Time that passes only when a test says so; sleepers wake `late_ns` late.
class FakeClock final : public Clock {
 public:
  int64_t NowNs() override { return now_ns; }
  void SleepUntilNs(int64_t deadline_ns) override {
    if (deadline_ns <= now_ns) return;
    now_ns = deadline_ns + late_ns;
    ++sleeps;
  }
  int64_t now_ns = 1'000'000;
  int64_t late_ns = 0;
  int sleeps = 0;
};

class ClockTest : public testing::Test {
 protected:
  // A call by this thread that keeps the CPU busy for `cpu_ns`; returns its end.
  int64_t Call(int64_t duration_ns, int64_t cpu_ns = 0) {
    Job job(clock_, stream_, host_.NowNs());
    clock_.now_ns += cpu_ns;
    const int64_t end_ns = job.End(duration_ns);
    host_.ArriveAt(end_ns);
    return end_ns;
  }

  FakeClock clock_;
  HostTime host_{clock_};
  Timeline stream_;
};

TEST_F(ClockTest, CallsTakeTheirDurationAndNothingElse) {
  const int64_t begin_ns = clock_.now_ns;
  EXPECT_EQ(Call(500), begin_ns + 500);
  EXPECT_EQ(Call(700, 100), begin_ns + 1200);  // the CPU's work is done meanwhile
  EXPECT_EQ(clock_.now_ns, begin_ns + 1200);
  clock_.now_ns += 300;  // the program does something of its own
  EXPECT_EQ(Call(500), begin_ns + 2000);
}

TEST_F(ClockTest, LateWakeUpsDoNotAddUp) {
  clock_.late_ns = 60;
  const int64_t begin_ns = clock_.now_ns;
  for (int i = 1; i <= 100; ++i) {
    EXPECT_EQ(Call(500), begin_ns + i * 500);
    EXPECT_EQ(clock_.now_ns, begin_ns + i * 500 + 60);
  }
}

TEST_F(ClockTest, AProgramThatIsLateAnywayDoesNotSleep) {
  clock_.late_ns = 2000;
  const int64_t begin_ns = clock_.now_ns;
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(Call(500), begin_ns + i * 500);
  EXPECT_EQ(clock_.sleeps, 1);  // the others ended before it woke
  EXPECT_EQ(Call(500), begin_ns + 3000);
}

TEST_F(ClockTest, ASlowCpuIsTheDuration) {
  const int64_t begin_ns = clock_.now_ns;
  for (int i = 1; i <= 10; ++i) EXPECT_EQ(Call(500, 800), begin_ns + i * 800);
  EXPECT_EQ(clock_.sleeps, 0);
}

TEST_F(ClockTest, AStoppedProgramDoesNotHurryAfterwards) {
  Call(500);
  clock_.late_ns = 10 * HostTime::kMaxLagNs;
  const int64_t end_ns = Call(500);
  EXPECT_EQ(host_.NowNs(), end_ns + 9 * HostTime::kMaxLagNs);
}

TEST_F(ClockTest, QueuedWorkFollowsOnItself) {
  const int64_t asked_ns = host_.NowNs();
  int64_t end_ns = 0;
  for (int i = 0; i < 3; ++i) {
    Job job(clock_, stream_, asked_ns);
    clock_.now_ns += 40;  // its worker is late
    end_ns = job.End(1000);
    clock_.SleepUntilNs(end_ns);
  }
  EXPECT_EQ(end_ns, asked_ns + 3000);
  EXPECT_EQ(stream_.free_at_ns(), asked_ns + 3000);
  host_.ArriveAt(stream_.free_at_ns());
  EXPECT_EQ(host_.NowNs(), asked_ns + 3000);
}

TEST_F(ClockTest, StreamsThatShareAUnitTakeTurns) {
  Timeline other;
  int64_t unit_ns = 0;
  const int64_t begin_ns = clock_.now_ns;
  std::vector<int64_t> ends;
  for (Timeline* stream : {&stream_, &other, &stream_, &other}) {
    Job job(clock_, *stream, begin_ns);
    job.WaitForUnit(unit_ns);
    clock_.now_ns += 10;
    ends.push_back(unit_ns = job.End(1000));
  }
  EXPECT_EQ(ends, (std::vector<int64_t>{begin_ns + 1000, begin_ns + 2000, begin_ns + 3000,
                                        begin_ns + 4000}));
}

int64_t ThreadCpuNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

TEST(SystemClock, WaitingTakesNoCpu) {
  Clock& clock = Clock::System();
  const int64_t cpu_ns = ThreadCpuNs();
  const int64_t deadline_ns = clock.NowNs() + 200'000'000;
  clock.SleepUntilNs(deadline_ns);
  EXPECT_GE(clock.NowNs(), deadline_ns);
  EXPECT_LT(ThreadCpuNs() - cpu_ns, 50'000'000);
  clock.SleepUntilNs(0);  // long past
}

}  // namespace
}  // namespace axsim::timing
