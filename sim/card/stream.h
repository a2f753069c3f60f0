// Streams and events as programs see them. Threads: any; a Stream is never changed.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "sim/card/work_queue.h"

namespace axsim::card {

struct Context;
struct Session;

// What a stream's handle stands for. Streams belong to a context and end with it.
struct Stream {
  std::shared_ptr<WorkQueue> queue;
  std::shared_ptr<Context> context;
  int32_t id = 0;  // counted per context; the default stream is 1
  bool is_default = false;
};

// Events belong to a card's session. As on the card: once recorded it stays so, and a wait may come
// before the record that it waits for.
// Owner: shared by its handle and the queued work that names it, which outlives the handle.
class Event {
 public:
  explicit Event(std::shared_ptr<Session> its_session) : session(std::move(its_session)) {}
  void Record() {
    const std::lock_guard lock(mutex_);
    recorded_ = true;
    changed_.notify_all();
  }
  // A negative timeout is none, 0 only looks. False: not recorded in time, or `given_up()`, which
  // is asked now and then.
  template <typename GivenUp>
  bool Wait(int32_t timeout_ms, const GivenUp& given_up) {
    using Clock = std::chrono::steady_clock;
    constexpr auto kStep = std::chrono::milliseconds(10);
    const auto deadline = Clock::now() + std::chrono::milliseconds(timeout_ms);
    std::unique_lock lock(mutex_);
    while (!recorded_ && !given_up()) {
      const auto now = Clock::now();
      if (timeout_ms >= 0 && now >= deadline) return false;
      auto until = now + kStep;
      if (timeout_ms >= 0 && deadline < until) until = deadline;
      changed_.wait_until(lock, until, [this] { return recorded_; });
    }
    return recorded_;
  }

  const std::shared_ptr<Session> session;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool recorded_ = false;
};

}  // namespace axsim::card
