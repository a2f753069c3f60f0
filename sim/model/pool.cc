#include "sim/model/pool.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <system_error>

#include "sim/model/phase.h"

namespace axsim::model {
namespace {

using Clock = std::chrono::steady_clock;

// Some 50 us: longer than the gap between two layers, far shorter than a token. A helper that had
// kPatience jobs in a row come after a lull (a card that takes its time) looks only kFewest times.
// Not a matter of whether it slept: on a busy machine the gaps are at times as long as its look,
// and once it slept it would be late for the next job too, and sleep again.
constexpr int kSpins = 1500;
constexpr int kFewest = 30;
constexpr int kPatience = 4;
constexpr std::chrono::microseconds kLull{150};

}  // namespace

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
    AwaitChange(gate_, inside, spins_, [] {});
    inside = gate_.load(std::memory_order_acquire);
  }
}

void Pool::Work(uint32_t thread) {
  const std::atomic<uint32_t>& tickets = mailboxes_[thread - 1].tickets;
  int lulls = 0;  // in a row
  for (uint32_t seen = 0;;) {
    const Clock::time_point idle_since = Clock::now();
    AwaitChange(tickets, seen, lulls < kPatience ? spins_ : std::min(spins_, kFewest), [] {});
    const uint32_t now = tickets.load(std::memory_order_acquire);
    if (now == seen) continue;
    seen = now;
    if (stop_.load(std::memory_order_relaxed)) return;
    lulls = Clock::now() - idle_since < kLull ? 0 : std::min(lulls + 1, kPatience);
    // The job of this ticket may be over, and the gate closed; or another may run: as good.
    if ((gate_.fetch_add(1, std::memory_order_acq_rel) & kOpen) != 0) job_(context_, thread);
    if (gate_.fetch_sub(1, std::memory_order_acq_rel) == 1) gate_.notify_all();
  }
}

}  // namespace axsim::model
