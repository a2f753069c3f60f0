// The order of the work of one stream: synchronous calls and queued work, first in, first out.
//
// A synchronous call takes its turn with Begin and End and runs on the calling thread. Queued work
// runs on a worker thread that exists while there is some, and for a moment after: a new thread for
// each chain of work would cost more than what a small layer takes.
// Owner: shared by the stream's context, its handle and its worker; Close before letting go.
// Threads: any. Work must not call into its own queue, except stopping().
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "sim/timing/clock.h"

namespace axsim::card {

class WorkQueue : public std::enable_shared_from_this<WorkQueue> {
 public:
  using Work = std::function<void(const WorkQueue&)>;
  enum class Submitted { kYes, kClosed, kNoThread };
  enum class Waited { kDone, kTimeout, kClosed };

  ~WorkQueue();

  // Waits for everything that came before. False: the queue is closed, and there is no End.
  bool Begin();
  void End();

  Submitted Submit(Work work);

  // Waits for everything that came before; a negative timeout is none, 0 only looks.
  Waited Drain(int32_t timeout_ms);

  // Drops what has not begun and refuses what comes. Returns when the worker's thread has ended:
  // no queued work touches memory any more, and the library can be unloaded. A synchronous call
  // that has begun may still run.
  void Close();
  // Drops what has not begun and waits for what runs; the queue goes on.
  void Drop();
  // Work that waits for something gives up then: the queue is being closed or emptied.
  bool stopping() const { return closed_.load() || dropping_.load(); }

  bool has_worker() const;

  // Until when the work so far takes, where time is simulated; moved by whoever has the turn.
  timing::Timeline& timeline() const { return timeline_; }

 private:
  static constexpr uint64_t kNobody = UINT64_MAX;
  struct Item {
    uint64_t ticket;
    Work work;  // empty: dropped
  };
  bool StartWorker();
  void RunWorker();
  // Whether every ticket below `target` is done; if not, whoever asks is woken when they are.
  bool Reached(uint64_t target);
  void Done();  // one more ticket

  mutable timing::Timeline timeline_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;     // by ticket
  uint64_t next_ticket_ = 0;   // of the next call or item
  uint64_t done_tickets_ = 0;  // every ticket below is done
  // The least target of those who wait: nobody is woken before, since a chain of queued work would
  // else wake the one who waits for its end with every part.
  uint64_t awaited_ = kNobody;
  std::thread worker_;
  bool has_worker_ = false;
  bool working_ = false;  // the worker is inside of some work
  std::atomic<bool> closed_{false};
  std::atomic<bool> dropping_{false};
};

}  // namespace axsim::card
