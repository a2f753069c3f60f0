#include "sim/card/work_queue.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

namespace axsim::card {
namespace {

// How long a worker without work waits for more: longer than a host is busy between two tokens.
constexpr std::chrono::milliseconds kLinger{20};

}  // namespace

// Of a queue that nobody closed: the worker itself may be the last to let go.
WorkQueue::~WorkQueue() {
  if (worker_.joinable()) worker_.detach();
}

bool WorkQueue::Reached(uint64_t target) {
  if (done_tickets_ >= target) return true;
  awaited_ = std::min(awaited_, target);
  return false;
}

void WorkQueue::Done() {
  ++done_tickets_;
  if (done_tickets_ < awaited_) return;
  awaited_ = kNobody;  // those whose turn it is not yet ask again
  changed_.notify_all();
}

bool WorkQueue::Begin() {
  std::unique_lock lock(mutex_);
  if (closed_) return false;
  const uint64_t ticket = next_ticket_++;
  changed_.wait(lock, [&] { return closed_ || Reached(ticket); });
  return !closed_;
}

void WorkQueue::End() {
  const std::lock_guard lock(mutex_);
  Done();
}

// The program's signal handlers do not run on the worker.
bool WorkQueue::StartWorker() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    worker_ = std::thread([self = shared_from_this()] { self->RunWorker(); });
  } catch (const std::system_error&) {
    started = false;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

WorkQueue::Submitted WorkQueue::Submit(Work work) {
  const std::lock_guard lock(mutex_);
  if (closed_) return Submitted::kClosed;
  if (!has_worker_ && !StartWorker()) return Submitted::kNoThread;
  has_worker_ = true;
  items_.push_back({next_ticket_++, std::move(work)});
  if (items_.size() == 1) changed_.notify_all();  // the worker may linger
  return Submitted::kYes;
}

void WorkQueue::RunWorker() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait_for(lock, kLinger, [this] { return closed_ || !items_.empty(); });
    if (closed_ || items_.empty()) break;
    // A synchronous call with an earlier ticket may still run.
    changed_.wait(lock,
                  [this] { return closed_ || items_.empty() || Reached(items_.front().ticket); });
    if (closed_) break;
    if (items_.empty()) continue;
    Work work = std::move(items_.front().work);
    items_.pop_front();
    working_ = true;
    lock.unlock();
    if (work != nullptr) work(*this);
    work = nullptr;
    lock.lock();
    working_ = false;
    Done();
    if (dropping_) changed_.notify_all();
  }
  has_worker_ = false;
  if (!closed_) worker_.detach();  // who closes the queue joins it
  changed_.notify_all();
}

WorkQueue::Waited WorkQueue::Drain(int32_t timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  std::unique_lock lock(mutex_);
  const uint64_t target = next_ticket_;
  const auto settled = [&] { return closed_ || Reached(target); };
  if (timeout_ms < 0) {
    changed_.wait(lock, settled);
  } else {
    changed_.wait_until(lock, deadline, settled);
  }
  if (done_tickets_ >= target) return Waited::kDone;
  return closed_ ? Waited::kClosed : Waited::kTimeout;
}

void WorkQueue::Close() {
  std::deque<Item> dropped;
  std::unique_lock lock(mutex_);
  closed_ = true;
  dropped.swap(items_);
  changed_.notify_all();
  changed_.wait(lock, [this] { return !has_worker_; });
  std::thread worker = std::move(worker_);
  lock.unlock();
  if (worker.joinable()) worker.join();
}

void WorkQueue::Drop() {
  std::deque<Work> dropped;
  std::unique_lock lock(mutex_);
  dropping_ = true;
  for (Item& item : items_) dropped.push_back(std::exchange(item.work, nullptr));
  changed_.wait(lock, [this] { return !working_; });
  dropping_ = false;
}

bool WorkQueue::has_worker() const {
  const std::lock_guard lock(mutex_);
  return has_worker_;
}

}  // namespace axsim::card
