// A language model on the device: chunked prefill, decode, and the KV cache between them.
//
// The hot path of design 6. K and V stay on the device; per token one embedding row, one position
// index and one mask go up, the logits come down. Nothing is allocated per token.
// Owner: the engine owns the Model; the Device must outlive it.
// Threads: all calls from one thread at a time (the engine's), which the model binds to the device;
// counters and progress may be read from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "base/progress.h"
#include "base/result.h"
#include "bundle/bundle.h"
#include "device/device.h"
#include "device/gate.h"
#include "npu/logits.h"

namespace axollama::npu {

struct Limits {
  uint32_t context_tokens = 0;     // positions in all: KV rows + 1
  uint32_t chunk_tokens = 0;       // rows of a prefill chunk
  uint32_t max_prompt_tokens = 0;  // what chunks reach; beyond it prompts go token by token
  uint32_t vocab = 0;              // tokens that it knows
  bool makes_embeddings = false;   // see Model::logits
  uint32_t hidden = 0;
  uint32_t layers = 0;
};

// What crossed to the device since the load; exact.
struct Counters {
  std::atomic<uint64_t> device_calls{0};
  std::atomic<uint64_t> bytes_up{0};
  std::atomic<uint64_t> bytes_down{0};
  // Time spent inside executes, their fixed part included. Queued: from the first call to the end
  // of the wait, less what copies and the wait took in a step without executes, at load time.
  std::atomic<uint64_t> execute_ns{0};
};

// Asked between device calls, or every few layers while they are queued; true ends the work with
// kCancelled.
using StopCheck = std::function<bool()>;

struct LoadOptions {
  Progress* progress = nullptr;  // told of each file and call; may be null
  // The card-wide lease; null: no other process shares the card. Load acquires it. Around Prefill
  // and Decode the caller is inside (Enter); Prefill yields between chunks.
  device::CardGate* gate = nullptr;
  StopCheck stop = nullptr;  // asked while waiting for the lease and between files
  // Where it is kept what a card was found to do right (see probe.h). Empty: nothing is kept.
  std::filesystem::path probes;
};

class Model {
 public:
  // Loads every file, sizes and zeroes the caches. Needs the bundle only during the call, except
  // for its embedding table, which it keeps mapped. On failure nothing stays on the device.
  static Result<std::unique_ptr<Model>> Load(device::Device& device, const bundle::Bundle& bundle,
                                             const LoadOptions& options);
  virtual ~Model() = default;  // frees everything on the device

  virtual const Limits& limits() const = 0;

  // Computes tokens at positions [history, history + tokens.size()); rows below `history` must be
  // in the cache from before. Afterwards logits() belongs to the last token. With `on_row` the
  // post model runs for every row, and on_row(i) is called with logits() of tokens[i] in place.
  // More tokens than the context has room for are kTooLong.
  // After an error or a stop the rows from `history` on are undefined.
  virtual Status Prefill(std::span<const int32_t> tokens, uint32_t history, const StopCheck& stop,
                         const std::function<Status(size_t)>& on_row = nullptr) = 0;

  // Computes one token at `position`.
  virtual Status Decode(int32_t token, uint32_t position) = 0;

  // [vocab], of the last row computed; of a model that makes embeddings its hidden state after the
  // last norm, [hidden]. Valid until the next call.
  virtual Logits logits() const = 0;

  // Whether work is queued on the card and waited for once, or each call is waited for.
  virtual bool queues() const = 0;
  virtual const Counters& counters() const = 0;
  virtual uint64_t cmm_bytes() const = 0;  // taken on the device by this model

 protected:
  Model() = default;
};

}  // namespace axollama::npu
