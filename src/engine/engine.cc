#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace axollama::engine {

Engine::Engine(Options options, Loader loader, OnLoaded on_loaded) : options_(options) {
  thread_ = std::thread(
      [this, load = std::move(loader), loaded = std::move(on_loaded)] { Run(load, loaded); });
}

Engine::~Engine() { Stop(); }

std::optional<npu::Limits> Engine::limits() const {
  const std::lock_guard lock(mutex_);
  return limits_;
}

size_t Engine::waiting() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

Result<std::shared_ptr<Generation>> Engine::Submit(Request request) {
  const std::optional<npu::Limits> limits = this->limits();
  if (!limits) return Fail(ErrorKind::kUnavailable, "the model is not loaded");
  AX_RETURN_IF_ERROR(CheckRequest(request, *limits));
  size_t most = request.embed ? 0 : limits->context_tokens - request.tokens.size();
  if (request.max_tokens >= 0) most = std::min(most, static_cast<size_t>(request.max_tokens));
  std::shared_ptr<Generation> generation(new Generation(std::move(request), most));
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Fail(ErrorKind::kUnavailable, "the runner is ending");
    if (queue_.size() >= options_.max_waiting) {
      return Fail(ErrorKind::kBusy, "too many requests are waiting: " +
                                        std::to_string(queue_.size()) + "; try again later");
    }
    queue_.push_back(generation);
  }
  changed_.notify_one();
  return generation;
}

void Engine::Cancel(const std::shared_ptr<Generation>& generation) {
  generation->cancelled_ = true;
  {
    const std::lock_guard lock(mutex_);
    const auto waiting = std::find(queue_.begin(), queue_.end(), generation);
    if (waiting == queue_.end()) return;  // running or ended: the engine's thread sees the flag
    queue_.erase(waiting);
  }
  Outcome outcome;
  outcome.status = Fail(ErrorKind::kCancelled, "the request was cancelled");
  generation->queue_.Finish(std::move(outcome));
}

void Engine::Stop() {
  std::deque<std::shared_ptr<Generation>> left;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    left.swap(queue_);
  }
  changed_.notify_one();
  for (const std::shared_ptr<Generation>& generation : left) {
    Outcome outcome;
    outcome.status = Fail(ErrorKind::kUnavailable, "the runner is ending");
    generation->queue_.Finish(std::move(outcome));
  }
  if (thread_.joinable()) thread_.join();
}

void Engine::SetState(RunnerState state) {
  if (options_.progress == nullptr) return;
  ProgressPage& page = options_.progress->page();
  // Progress first: whoever reads the new state must not judge it by an old time.
  page.last_progress_ns.store(MonotonicNs());
  page.state.store(state);
}

void Engine::Run(const Loader& loader, const OnLoaded& on_loaded) {
  SetState(RunnerState::kLoading);
  Result<Parts> parts = loader([this] { return stopping_.load(); });
  if (parts) {
    SetState(RunnerState::kIdle);
    const std::lock_guard lock(mutex_);
    limits_ = parts->model->limits();
  }
  on_loaded(parts ? Status() : Status(Fail(parts.error())));
  if (!parts) return;
  Serve(*parts);
  const std::lock_guard lock(mutex_);
  limits_.reset();
}

void Engine::Serve(const Parts& parts) {
  GeneratorOptions options;
  options.tokenizer = parts.tokenizer.get();
  options.eos_ids = parts.eos_ids;
  options.gate = parts.gate.get();
  options.progress = options_.progress;
  Generator generator(*parts.model, std::move(options));

  for (;;) {
    std::shared_ptr<Generation> generation;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      generation = std::move(queue_.front());
      queue_.pop_front();
    }
    SetState(RunnerState::kBusy);
    Outcome outcome = generator.Run(
        generation->request_, [&] { return generation->cancelled_ || stopping_; },
        generation->queue_);
    SetState(RunnerState::kIdle);
    if (!outcome.status && stopping_ && !generation->cancelled_) {
      outcome.status = Fail(ErrorKind::kUnavailable, "the runner is ending");
    } else if (!outcome.status && outcome.status.error().kind != ErrorKind::kCancelled) {
      log::Error("engine", "a request failed: {}", outcome.status.error().message);
    }
    generation->queue_.Finish(std::move(outcome));
  }
}

}  // namespace axollama::engine
