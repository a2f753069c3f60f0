#include "sim/model/pool.h"

#include <csignal>
#include <system_error>

namespace axsim::model {
namespace {

// Some 50 us: longer than the gap between two layers, far shorter than a token.
constexpr int kSpins = 1500;

void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

void AwaitChange(const std::atomic<uint32_t>& value, uint32_t old, bool may_spin) {
  for (int i = 0; may_spin && i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    Relax();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

Pool::Pool(uint32_t threads)
    : mailboxes_(std::make_unique<Mailbox[]>(threads)),
      may_spin_(threads <= std::thread::hardware_concurrency()) {
  // The host program's signal handlers must not run on threads that it knows nothing of.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  workers_.reserve(threads);
  try {
    for (uint32_t i = 1; i < threads; ++i) workers_.emplace_back([this, i] { Work(i); });
  } catch (const std::system_error&) {
    // Fewer threads: slower, and the same results.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Pool::~Pool() {
  stop_ = true;
  for (size_t i = 1; i <= workers_.size(); ++i) {
    mailboxes_[i - 1].tickets.fetch_add(1, std::memory_order_release);
    mailboxes_[i - 1].tickets.notify_one();
  }
}

void Pool::Run(uint32_t threads, Job job, void* context) {
  active_ = threads < size() ? threads : size();
  job_ = job;
  context_ = context;
  for (uint32_t i = 1; i < active_; ++i) {
    mailboxes_[i - 1].tickets.fetch_add(1, std::memory_order_release);
    mailboxes_[i - 1].tickets.notify_one();
  }
  job(context, 0);
  Barrier();
}

void Pool::Work(uint32_t thread) {
  std::atomic<uint32_t>& tickets = mailboxes_[thread - 1].tickets;
  for (uint32_t seen = 0;;) {
    AwaitChange(tickets, seen, may_spin_);
    ++seen;
    if (stop_) return;
    job_(context_, thread);
    Barrier();
  }
}

void Pool::Barrier() {
  if (active_ == 1) return;
  const uint32_t generation = generation_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == active_) {
    arrived_.store(0, std::memory_order_relaxed);
    generation_.store(generation + 1, std::memory_order_release);
    generation_.notify_all();
    return;
  }
  AwaitChange(generation_, generation, may_spin_);
}

}  // namespace axsim::model
