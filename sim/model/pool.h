// A fork-join pool whose barriers cost a fraction of a microsecond: threads spin briefly, then
// sleep in the kernel. A decoder layer of a small model takes 200 us and has ten barriers.
//
// Threads: Run is called by one thread at a time; Barrier by the threads of the running job.
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
  using Job = void (*)(void* context, uint32_t thread);

  explicit Pool(uint32_t threads);  // the caller of Run counts as one
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  uint32_t size() const { return static_cast<uint32_t>(workers_.size()) + 1; }

  // Calls job(context, 0 .. n - 1) on n = min(threads, size()) threads, 0 being the caller, and
  // returns when all have returned.
  void Run(uint32_t threads, Job job, void* context);

  // Returns when every thread of the job has called it.
  void Barrier();

 private:
  struct alignas(64) Mailbox {
    std::atomic<uint32_t> tickets{0};
  };

  void Work(uint32_t thread);

  std::unique_ptr<Mailbox[]> mailboxes_;  // one per worker: threads left out of a job sleep on
  Job job_ = nullptr;
  void* context_ = nullptr;
  uint32_t active_ = 1;
  const bool may_spin_;  // with more threads than cores, that only takes time from the others
  bool stop_ = false;
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) std::atomic<uint32_t> generation_{0};
  std::vector<std::jthread> workers_;
};

}  // namespace axsim::model
