// One job's turn in a stream, and the time it takes there.
//
// A turn that says nothing else takes a small call. Where the profile has no time, none of this
// costs anything. Destroying it waits until its time has passed.
// Owner: the call or the queued work whose turn it is. Threads: that one.
#pragma once

#include <cstdint>
#include <optional>

#include "sim/card/work_queue.h"
#include "sim/timing/clock.h"
#include "sim/timing/costs.h"

namespace axsim::card {

enum class TurnKind { kCall, kQueued };

class Turn {
 public:
  // The moment in which the calling thread asks for a turn.
  static int64_t Ask(const timing::Costs& costs) {
    return costs.timed ? timing::HostTime::OfThisThread().NowNs() : 0;
  }

  Turn(const timing::Costs& costs, const WorkQueue& queue, TurnKind kind, int64_t asked_ns)
      : costs_(costs), queue_(queue), kind_(kind) {
    if (costs.timed) job_.emplace(timing::Clock::System(), queue.timeline(), asked_ns);
  }
  ~Turn() { Wait(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  const timing::Costs& costs() const { return costs_; }
  const WorkQueue& queue() const { return queue_; }

  // The NPU is busy until then, with the work of others.
  void WaitForNpu(int64_t free_at_ns) {
    if (job_) job_->WaitForUnit(free_at_ns);
  }
  int64_t start_ns() const { return job_ ? job_->start_ns() : 0; }

  // What it takes is a call and `more_ns`; returns the end.
  int64_t End(int64_t more_ns) { return EndAfter(costs_.small_call_ns + more_ns); }
  int64_t EndLoad(uint64_t bytes, bool over_the_bus) {
    return End(costs_.LoadNs(bytes) + (over_the_bus ? costs_.BusNs(bytes) : 0));
  }
  // An execute's time has the call in it.
  int64_t EndAfter(int64_t duration_ns) {
    if (!job_) return 0;
    if (kind_ == TurnKind::kQueued) duration_ns -= costs_.queued_saving_ns;
    return *(end_ns_ = job_->End(duration_ns));
  }
  // Nothing went to the card.
  void EndAtOnce() {
    if (job_) end_ns_ = job_->End(0);
  }
  // Until its time has passed; nothing more is added to it.
  void Wait() {
    if (!job_) return;
    if (!end_ns_) End(0);
    if (kind_ == TurnKind::kCall) {
      timing::HostTime::OfThisThread().ArriveAt(*end_ns_);
    } else {
      timing::Clock::System().SleepUntilNs(*end_ns_);
    }
    job_.reset();
  }

 private:
  const timing::Costs& costs_;
  const WorkQueue& queue_;
  const TurnKind kind_;
  std::optional<timing::Job> job_;
  std::optional<int64_t> end_ns_;
};

}  // namespace axsim::card
