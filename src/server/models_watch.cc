// The two threads of Models: one does what takes time, one watches for what is due or stuck.
#include <algorithm>
#include <system_error>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "server/models_state.h"

namespace axollama::server {
namespace {

// How long a runner may take to notice that its stuck call was cancelled.
constexpr int64_t kCancelPatienceNs = 2'000'000'000;

}  // namespace

void Models::Later(std::function<void()> task) {
  tasks_.push_back(std::move(task));
  work_changed_.notify_all();
}

void Models::Work() {
  Lock lock(mutex_);
  for (;;) {
    work_changed_.wait(lock, [&] { return quit_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

bool Models::InBackground(std::function<void()> task) try {
  const auto done = std::make_shared<std::atomic<bool>>(false);
  background_.push_back({std::thread([task = std::move(task), done] {
                           task();
                           *done = true;
                         }),
                         done});
  return true;
} catch (const std::system_error& e) {
  log::Error("server", "no thread to load a model: {}", e.what());
  return false;
}

// A thread that ran to its end keeps its stack until it is joined.
void Models::JoinBackground() {
  for (auto one = background_.begin(); one != background_.end();) {
    if (!*one->done) {
      ++one;
      continue;
    }
    one->thread.join();
    one = background_.erase(one);
  }
}

void Models::Watch() {
  Lock lock(mutex_);
  while (!quit_) {
    WatchOnce();
    const int64_t now_ns = MonotonicNs();
    int64_t pause_ns = 30'000'000'000;
    for (const auto& [key, instance] : instances_) {
      if (instance->state != Instance::State::kReady) continue;
      if (instance->keep_alive.idle() && !instance->pinned) {
        const int64_t left_ns = instance->keep_alive.ExpiresNs(now_ns) - now_ns;
        pause_ns = std::min(pause_ns, std::max<int64_t>(left_ns, 1'000'000));
      }
      // A fraction of the limit, so that a stall is noticed soon after it.
      const int64_t look_ns = std::chrono::nanoseconds(options_.stall_limit).count() / 8;
      pause_ns = std::min(pause_ns, std::clamp<int64_t>(look_ns, 20'000'000, 1'000'000'000));
    }
    work_changed_.wait_for(lock, std::chrono::nanoseconds(pause_ns));
  }
}

void Models::WatchOnce() {
  const int64_t now_ns = MonotonicNs();
  JoinBackground();
  calls_.remove_if([](const std::weak_ptr<CallSlot>& call) { return call.expired(); });
  const auto ready = [](const Instance& i) { return i.state == Instance::State::kReady; };
  std::vector<std::shared_ptr<Instance>> all;
  for (const auto& [key, instance] : instances_) {
    if (ready(*instance)) all.push_back(instance);
  }
  const int64_t stall_ns = std::chrono::nanoseconds(options_.stall_limit).count();
  for (const std::shared_ptr<Instance>& instance : all) {
    if (!ready(*instance)) continue;
    if (!instance->busy && !instance->pinned && instance->keep_alive.Due(now_ns)) {
      log::Info("server", "{}: unloading, keep_alive is over", instance->model.name);
      BeginEnd(instance, false);
      continue;
    }
    const ProgressPage& page = instance->process->page();
    const bool runner_busy = page.state.load() == RunnerState::kBusy;
    CardSlot& card = *instance->card;
    if (instance->cancelled) {
      if (!runner_busy && !instance->busy) {
        log::Info("server", "{}: cancelling its request was enough", instance->model.name);
        instance->cancelled = false;
        Dispatch();
      } else if (now_ns - instance->cancelled_ns > kCancelPatienceNs) {
        BeginEnd(instance, true);
      }
      continue;
    }
    // Others wait while a load has the card to itself; that is no stall.
    if (card.loading) continue;
    const bool active = instance->busy ? !instance->busy->waits_for_client.load() : runner_busy;
    if (!active) continue;
    int64_t last_ns = std::max(page.last_progress_ns.load(), card.load_ended_ns);
    if (instance->busy) last_ns = std::max(last_ns, instance->busy->moved_ns.load());
    if (now_ns - last_ns < stall_ns) continue;
    log::Warn("server", "{}: no progress on the device for {} s: cancelling its request",
              instance->model.name, (now_ns - last_ns) / 1'000'000'000);
    ++card.card.counters().cancels;
    instance->cancelled = true;
    instance->cancelled_ns = now_ns;
    if (instance->busy) instance->busy->Cancel(StopReason::kStalled);
    // It never took the request to the device: what hangs is the runner, and no cancelling helps.
    if (!runner_busy) BeginEnd(instance, true);
  }
}

}  // namespace axollama::server
