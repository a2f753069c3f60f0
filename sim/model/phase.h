// Work that the threads of a job share, unit by unit.
//
// A phase is over when all its units are done, not when all threads have come: a thread that the
// system has taken away, or that is still waking, holds nobody up unless it is inside a unit. On a
// machine that other programs use too, that is worth more than everything else here.
// Threads: Run is called once by each thread that takes part, at any time.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace axsim::model {

// Tells the core that this thread only waits.
inline void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

// Returns when value != old, or a little earlier: looks `spins` times, with idle() in between, and
// then sleeps.
template <typename Idle>
void AwaitChange(const std::atomic<uint32_t>& value, uint32_t old, int spins, Idle&& idle) {
  for (int i = 0; i < spins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    idle();
    Relax();
  }
  value.wait(old, std::memory_order_acquire);
}

// The threads that share phases.
struct Crew {
  uint32_t size = 1;  // how many were asked for
  int spins = 0;      // Pool::spins

  // Each begins with a stretch of a phase's units of its own, so that it reads memory in order.
  static constexpr uint32_t kMostStretches = 4;
  uint32_t stretches() const { return std::min(size, kMostStretches); }
  // Where the stretch of thread `thread` begins; of thread `stretches()`, where the last one ends.
  uint32_t StretchBegin(uint32_t thread, uint32_t count) const {
    return static_cast<uint32_t>(uint64_t{count} * thread / stretches());
  }
};

class Phase {
 public:
  // Calls f(0) ... f(count - 1), each once over all threads, and returns when all have returned;
  // what they wrote is then visible. A thread that is through with its own stretch helps with the
  // others'; while it waits for units that others are in, it calls idle().
  template <typename F, typename Idle>
  void Run(uint32_t count, const Crew& crew, uint32_t thread, F&& f, Idle&& idle) {
    uint32_t mine = 0;
    for (uint32_t i = 0; i < crew.stretches(); ++i) {
      const uint32_t stretch = (thread + i) % crew.stretches();
      const uint32_t begin = crew.StretchBegin(stretch, count);
      const uint32_t end = crew.StretchBegin(stretch + 1, count);
      for (;;) {
        const uint32_t unit = begin + taken_[stretch].count.fetch_add(1, std::memory_order_relaxed);
        if (unit >= end) break;
        f(size_t{unit});
        ++mine;
      }
    }
    if (mine != 0 && done_.fetch_add(mine, std::memory_order_acq_rel) + mine == count) {
      done_.notify_all();
      return;
    }
    for (;;) {
      const uint32_t done = done_.load(std::memory_order_acquire);
      if (done == count) return;
      AwaitChange(done_, done, crew.spins, idle);
    }
  }
  template <typename F>
  void Run(uint32_t count, const Crew& crew, uint32_t thread, F&& f) {
    Run(count, crew, thread, f, [] {});
  }

 private:
  struct alignas(64) Taken {
    std::atomic<uint32_t> count{0};
  };
  Taken taken_[Crew::kMostStretches];  // units of each stretch
  alignas(64) std::atomic<uint32_t> done_{0};
};

}  // namespace axsim::model
