#include "sim/model/pool.h"

#include <algorithm>
#include <csignal>
#include <system_error>

#include "sim/model/phase.h"

namespace axsim::model {
namespace {

// Some 50 us: longer than the gap between two layers, far shorter than a token. A helper for whom
// jobs come more slowly (a card that takes its time) soon looks only kFewest times.
constexpr int kSpins = 1500;
constexpr int kFewest = 30;

void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

}  // namespace

bool AwaitChange(const std::atomic<uint32_t>& value, uint32_t old, int spins) {
  for (int i = 0; i < spins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return true;
    Relax();
  }
  value.wait(old, std::memory_order_acquire);
  return false;
}

Pool::Pool(uint32_t threads)
    : mailboxes_(std::make_unique<Mailbox[]>(threads)),
      spins_(threads <= std::thread::hardware_concurrency() ? kSpins : 0) {
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
  stop_.store(true, std::memory_order_relaxed);
  for (size_t i = 0; i < workers_.size(); ++i) {
    mailboxes_[i].tickets.fetch_add(1, std::memory_order_release);
    mailboxes_[i].tickets.notify_one();
  }
}

void Pool::Run(uint32_t threads, Job job, void* context) {
  const uint32_t helpers = std::min(threads, size()) - 1;
  job_ = job;
  context_ = context;
  gate_.fetch_or(kOpen, std::memory_order_acq_rel);
  for (uint32_t i = 0; i < helpers; ++i) {
    mailboxes_[i].tickets.fetch_add(1, std::memory_order_release);
    mailboxes_[i].tickets.notify_one();
  }
  job(context, 0);
  uint32_t inside = gate_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  while (inside != 0) {
    AwaitChange(gate_, inside, spins_);
    inside = gate_.load(std::memory_order_acquire);
  }
}

void Pool::Work(uint32_t thread) {
  const std::atomic<uint32_t>& tickets = mailboxes_[thread - 1].tickets;
  int spins = spins_;
  for (uint32_t seen = 0;;) {
    const bool awake = AwaitChange(tickets, seen, spins);
    if (spins_ != 0) spins = awake ? std::min(spins * 2, spins_) : std::max(spins / 2, kFewest);
    const uint32_t now = tickets.load(std::memory_order_acquire);
    if (now == seen) continue;
    seen = now;
    if (stop_.load(std::memory_order_relaxed)) return;
    // The job of this ticket may be over, and the gate closed; or another may run: as good.
    if ((gate_.fetch_add(1, std::memory_order_acq_rel) & kOpen) != 0) job_(context_, thread);
    if (gate_.fetch_sub(1, std::memory_order_acq_rel) == 1) gate_.notify_all();
  }
}

}  // namespace axsim::model
