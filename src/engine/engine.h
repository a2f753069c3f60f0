// The engine's thread: it loads the model, owns it, and answers one request after the other in
// order of arrival.
//
// Owner: the runner. Threads: every public function may be called from any thread; the model, the
// device and the gate are made, used and freed on the engine's own thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/progress.h"
#include "device/device.h"
#include "device/gate.h"
#include "engine/generator.h"
#include "engine/piece_queue.h"
#include "npu/model.h"
#include "text/tokenizer.h"

namespace axollama::engine {

// One request under way. Threads: one reader; the engine's thread writes.
class Generation {
 public:
  // See PieceQueue.
  bool Read(std::string* text, std::vector<int32_t>* tokens,
            std::vector<TokenLogprob>* logprobs = nullptr) {
    return queue_.Read(text, tokens, logprobs);
  }
  const Outcome& outcome() const { return queue_.outcome(); }

 private:
  friend class Engine;
  Generation(Request request, size_t most_tokens)
      : request_(std::move(request)), queue_(most_tokens) {}

  const Request request_;
  PieceQueue queue_;
  std::atomic<bool> cancelled_{false};
};

// What a loader makes, in the order of making; freed in the opposite one.
struct Parts {
  std::unique_ptr<device::Device> device;  // null in tests
  std::unique_ptr<device::CardGate> gate;  // null: no other process shares the card
  std::unique_ptr<npu::Model> model;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::vector<int32_t> eos_ids;
};

class Engine {
 public:
  // Runs once on the engine's thread; `stop` turns true when the engine is to end.
  using Loader = std::function<Result<Parts>(const npu::StopCheck& stop)>;
  // Called on the engine's thread when loading ended, before any request runs.
  using OnLoaded = std::function<void(const Status&)>;

  struct Options {
    Progress* progress = nullptr;  // must outlive the engine; may be null
    size_t max_waiting = 512;      // requests in the queue
  };

  Engine(Options options, Loader loader, OnLoaded on_loaded);
  ~Engine();  // Stop
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Of the model, once it is loaded.
  std::optional<npu::Limits> limits() const;

  // kUnavailable while loading, after a failed load and after Stop; kBusy when too many wait; the
  // errors of CheckRequest.
  Result<std::shared_ptr<Generation>> Submit(Request request);

  // Takes a waiting request out of the queue, or stops a running one within a token. It ends with
  // kCancelled, unless it has ended before.
  void Cancel(const std::shared_ptr<Generation>& generation);

  // Ends the running request and the waiting ones with kUnavailable, frees model and device, and
  // returns when that is done. A load under way ends where its loader looks at `stop`.
  void Stop();

  size_t waiting() const;

 private:
  void Run(const Loader& loader, const OnLoaded& on_loaded);
  void Serve(const Parts& parts);
  void SetState(RunnerState state);

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<npu::Limits> limits_;
  std::deque<std::shared_ptr<Generation>> queue_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace axollama::engine
