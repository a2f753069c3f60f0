#include "net/pool.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

namespace axollama::net {
namespace {

constexpr std::chrono::seconds kIdleLife{10};

}  // namespace

// Shared with the threads, which are detached: the last one lets go of it.
struct Pool::State {
  explicit State(uint32_t max) : max_threads(max) {}

  std::mutex mutex;
  std::condition_variable work;     // a task, or the end
  std::condition_variable changed;  // fewer tasks or threads
  std::deque<std::function<void()>> tasks;
  const uint32_t max_threads;
  uint32_t threads = 0;
  uint32_t idle = 0;
  uint32_t unfinished = 0;  // tasks accepted and not yet returned
  bool draining = false;

  static void Loop(const std::shared_ptr<State>& state) {
    std::unique_lock lock(state->mutex);
    for (;;) {
      ++state->idle;
      state->work.wait_for(lock, kIdleLife,
                           [&] { return state->draining || !state->tasks.empty(); });
      --state->idle;
      if (state->tasks.empty()) break;  // idle for long enough, or the end
      std::function<void()> task = std::move(state->tasks.front());
      state->tasks.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it holds goes before the task counts as finished
      lock.lock();
      --state->unfinished;
      state->changed.notify_all();
    }
    --state->threads;
    state->changed.notify_all();
  }
};

Pool::Pool(uint32_t max_threads) : state_(std::make_shared<State>(max_threads)) {}

Pool::~Pool() { Drain(); }

bool Pool::Run(std::function<void()> task) {
  std::lock_guard lock(state_->mutex);
  if (state_->draining || state_->unfinished >= state_->max_threads) return false;
  if (state_->idle <= state_->tasks.size()) {
    try {
      std::thread([state = state_] { State::Loop(state); }).detach();
    } catch (const std::system_error&) {
      return false;
    }
    ++state_->threads;
  }
  state_->tasks.push_back(std::move(task));
  ++state_->unfinished;
  state_->work.notify_one();
  return true;
}

bool Pool::WaitIdle(std::chrono::milliseconds limit) {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, limit, [&] { return state_->unfinished == 0; });
}

void Pool::Drain() {
  std::unique_lock lock(state_->mutex);
  state_->draining = true;
  state_->work.notify_all();
  state_->changed.wait(lock, [&] { return state_->unfinished == 0 && state_->threads == 0; });
}

}  // namespace axollama::net
