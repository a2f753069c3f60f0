#include "sim/timing/clock.h"

#include <time.h>

#include <cerrno>

#include "base/clock.h"

namespace axsim::timing {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

class SystemClock final : public Clock {
 public:
  int64_t NowNs() override { return axollama::MonotonicNs(); }
  void SleepUntilNs(int64_t deadline_ns) override {
    if (deadline_ns <= NowNs()) return;
    const timespec deadline{static_cast<time_t>(deadline_ns / kNsPerSecond),
                            static_cast<long>(deadline_ns % kNsPerSecond)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
    }
  }
};

}  // namespace

// Never destroyed: programs call from exit handlers.
Clock& Clock::System() {
  static auto* clock = new SystemClock;
  return *clock;
}

void HostTime::ArriveAt(int64_t ns) {
  clock_.SleepUntilNs(ns);
  lag_ns_ = std::clamp<int64_t>(clock_.NowNs() - ns, 0, kMaxLagNs);
}

HostTime& HostTime::OfThisThread() {
  thread_local HostTime time(Clock::System());
  return time;
}

// The work began at the job's start, or before it while the unit was in use, or late, since its
// thread woke late: only what it took counts, from the later of the two that were planned.
int64_t Job::End(int64_t duration_ns) {
  const int64_t took_ns = clock_.NowNs() - began_ns_;
  const int64_t end_ns =
      std::max(start_ns_ + duration_ns, std::min(start_ns_, began_ns_) + took_ns);
  timeline_.free_at_ns_.store(end_ns);
  return end_ns;
}

}  // namespace axsim::timing
