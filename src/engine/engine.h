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
#include <vector>

#include "base/progress.h"
#include "device/device.h"
#include "device/gate.h"
#include "engine/generator.h"
#include "npu/model.h"
#include "text/tokenizer.h"

namespace axollama::engine {

// One request under way. Threads: one reader; the engine's thread writes.
class Generation : private PieceSink {
 public:
  // Waits for text, and gives all that there is, with every token chosen since the last call.
  // False at the end: the outcome is there. Both arguments are overwritten.
  bool Read(std::string* text, std::vector<int32_t>* tokens);

  // After Read was false.
  const Outcome& outcome() const { return outcome_; }

 private:
  friend class Engine;
  Generation(Request request, const npu::Limits& limits);
  void OnToken(int32_t id) override;
  void OnText(std::string_view text) override;
  void Finish(Outcome outcome);

  const Request request_;
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string text_;  // not read yet; has room for a whole answer from the start
  std::vector<int32_t> tokens_;
  bool finished_ = false;
  Outcome outcome_;
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
  // Runs once on the engine's thread.
  using Loader = std::function<Result<Parts>()>;
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

  // Ends the running request and the waiting ones with kCancelled, frees model and device, and
  // returns when that is done. A load under way is not interrupted.
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
