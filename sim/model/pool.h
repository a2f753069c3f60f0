// Threads that help the caller with a job. They spin briefly between jobs and then sleep: a decoder
// layer of a small model takes 200 us, and is followed by the next.
//
// Threads: Run is called by one thread at a time.
// Errors: if the system refuses a thread, the pool is smaller than asked for.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace axsim::model {

class Pool {
 public:
  // A job divides its work by Phases. It must be complete when the calls that took place are,
  // whichever of the helpers came.
  using Job = void (*)(void* context, uint32_t thread);

  explicit Pool(uint32_t threads);  // the caller of Run counts as one
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  uint32_t size() const { return static_cast<uint32_t>(workers_.size()) + 1; }
  // How often a thread of a job looks before it sleeps. None with more threads than cores: that
  // would only take time from the others.
  int spins() const { return spins_; }

  // Calls job(context, 0) and, on helpers that are awake before it returns, job(context, i),
  // 0 < i < size(). Wakes enough of them for `threads` in all. No call goes on after the return.
  void Run(uint32_t threads, Job job, void* context);

 private:
  struct alignas(64) Mailbox {
    std::atomic<uint32_t> tickets{0};
  };
  static constexpr uint32_t kOpen = 1u << 31;

  void Work(uint32_t thread);

  std::unique_ptr<Mailbox[]> mailboxes_;  // one per helper: those left out of a job sleep on
  const int spins_;
  Job job_ = nullptr;
  void* context_ = nullptr;
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<uint32_t> gate_{0};  // kOpen while a job runs, plus helpers inside
  std::vector<std::jthread> workers_;
};

}  // namespace axsim::model
