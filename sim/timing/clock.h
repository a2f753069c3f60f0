// The virtual time of the card and of the threads that use it.
//
// Every stream has a timeline: the moment when its work so far is done. A job starts there, or when
// it was asked for if that is later, and moves it by the job's duration; whoever waits sleeps until
// that moment, which is absolute. A sleeper wakes a little late: that much its thread lags behind
// its own virtual time, and its next job starts where it would have without. So durations add up
// without drift, whatever the machine's scheduler does. The CPU's work for a job is done within the
// job's duration, and where it takes longer, that is the duration.
// Threads: a Clock any; the others as said.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace axsim::timing {

// CLOCK_MONOTONIC, or a test's.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowNs() = 0;
  virtual void SleepUntilNs(int64_t deadline_ns) = 0;  // no CPU meanwhile

  static Clock& System();
};

// The virtual time of one thread of the program. Owner and user: that thread.
class HostTime {
 public:
  // More than this is not the scheduler's doing (the process was stopped, the machine slept), and
  // not made up for.
  static constexpr int64_t kMaxLagNs = 100'000'000;

  explicit HostTime(Clock& clock) : clock_(clock) {}
  int64_t NowNs() const { return clock_.NowNs() - lag_ns_; }
  // Sleeps until `ns`, and goes on from there however late it woke.
  void ArriveAt(int64_t ns);

  static HostTime& OfThisThread();

 private:
  Clock& clock_;
  int64_t lag_ns_ = 0;
};

// Of one stream. Owner: the stream. Threads: jobs one at a time, in the stream's order; reading
// any.
class Timeline {
 public:
  int64_t free_at_ns() const { return free_at_ns_.load(); }

 private:
  friend class Job;
  std::atomic<int64_t> free_at_ns_{0};
};

// One piece of work on a timeline. A local of the thread that does it.
class Job {
 public:
  Job(Clock& clock, Timeline& timeline, int64_t asked_ns)
      : clock_(clock),
        timeline_(timeline),
        start_ns_(std::max(asked_ns, timeline.free_at_ns())),
        began_ns_(clock.NowNs()) {}

  // What it needs is in use until then. The CPU's work for it begins now.
  void WaitForUnit(int64_t free_at_ns) {
    start_ns_ = std::max(start_ns_, free_at_ns);
    began_ns_ = clock_.NowNs();
  }
  // Its work is done: returns when it ends, which the timeline then says too.
  int64_t End(int64_t duration_ns);

  int64_t start_ns() const { return start_ns_; }

 private:
  Clock& clock_;
  Timeline& timeline_;
  int64_t start_ns_;
  int64_t began_ns_;
};

}  // namespace axsim::timing
