#include "engine/engine.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace axollama::engine {
namespace {

// Room for text that a reader has not fetched yet: a token's text is rarely longer than this on
// average, and a reader is rarely behind at all.
constexpr size_t kBytesPerToken = 16;
constexpr size_t kMostReservedBytes = 1u << 20;

}  // namespace

Generation::Generation(Request request, const npu::Limits& limits) : request_(std::move(request)) {
  size_t most = limits.context_tokens - request_.tokens.size();
  if (request_.max_tokens >= 0) most = std::min<size_t>(most, request_.max_tokens);
  tokens_.reserve(most);
  text_.reserve(std::min(most * kBytesPerToken, kMostReservedBytes));
}

bool Generation::Read(std::string* text, std::vector<int32_t>* tokens) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return finished_ || !text_.empty(); });
  // Copied, not swapped: the engine's thread keeps its room.
  text->assign(text_);
  tokens->assign(tokens_.begin(), tokens_.end());
  const bool any = !text_.empty() || !tokens_.empty();
  text_.clear();
  tokens_.clear();
  return any;
}

void Generation::OnToken(int32_t id) {
  const std::lock_guard lock(mutex_);
  tokens_.push_back(id);
}

void Generation::OnText(std::string_view text) {
  {
    const std::lock_guard lock(mutex_);
    text_.append(text);
  }
  changed_.notify_one();
}

void Generation::Finish(Outcome outcome) {
  {
    const std::lock_guard lock(mutex_);
    outcome_ = std::move(outcome);
    finished_ = true;
  }
  changed_.notify_one();
}

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
  std::shared_ptr<Generation> generation(new Generation(std::move(request), *limits));
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
  generation->Finish(std::move(outcome));
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
    outcome.status = Fail(ErrorKind::kCancelled, "the runner is ending");
    generation->Finish(std::move(outcome));
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
  Result<Parts> parts = loader();
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
        generation->request_, [&] { return generation->cancelled_ || stopping_; }, *generation);
    SetState(RunnerState::kIdle);
    if (!outcome.status && outcome.status.error().kind != ErrorKind::kCancelled) {
      log::Error("engine", "a request failed: {}", outcome.status.error().message);
    }
    generation->Finish(std::move(outcome));
  }
}

}  // namespace axollama::engine
