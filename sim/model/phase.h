// Work that the threads of a job share, unit by unit.
//
// A phase is over when all its units are done, not when all threads have come: a thread that the
// system has taken away, or that is still waking, holds nobody up unless it is inside a unit. On a
// machine that other programs use too, that is worth more than everything else here.
// Threads: Run is called once by each thread that takes part, at any time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace axsim::model {

// Returns when value != old, or a little earlier: looks `spins` times and then sleeps. True if it
// did not sleep.
bool AwaitChange(const std::atomic<uint32_t>& value, uint32_t old, int spins);

class alignas(64) Phase {
 public:
  // Calls f(0) ... f(count - 1), each once over all threads, and returns when all have returned;
  // what they wrote is then visible. spins: Pool::spins.
  template <typename F>
  void Run(uint32_t count, int spins, F&& f) {
    uint32_t mine = 0;
    for (;;) {
      const uint32_t unit = next_.fetch_add(1, std::memory_order_relaxed);
      if (unit >= count) break;
      f(size_t{unit});
      ++mine;
    }
    if (mine != 0 && done_.fetch_add(mine, std::memory_order_acq_rel) + mine == count) {
      done_.notify_all();
      return;
    }
    for (;;) {
      const uint32_t done = done_.load(std::memory_order_acquire);
      if (done == count) return;
      AwaitChange(done_, done, spins);
    }
  }

 private:
  std::atomic<uint32_t> next_{0};
  alignas(64) std::atomic<uint32_t> done_{0};
};

}  // namespace axsim::model
