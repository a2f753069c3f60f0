// The Model over a chain of layers: model.cc loads it, steps.cc runs it.
//
// Owner and threads: as model.h says.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "npu/chain.h"
#include "npu/guard.h"
#include "npu/link.h"
#include "npu/model.h"

namespace axollama::npu {

class NpuModel final : public Model {
 public:
  NpuModel(device::Device& device, const LoadOptions& options)
      : gate_(options.gate),
        link_(device, counters_, options.progress ? &options.progress->page() : nullptr) {}

  ~NpuModel() override {
    if (!chain_.layers.empty()) (void)BindThread();  // chain_ frees itself on this thread
  }

  Status Start(const bundle::Bundle& bundle, const LoadOptions& options);

  const Limits& limits() const override { return limits_; }
  std::span<const float> logits() const override { return logits_; }
  const Counters& counters() const override { return counters_; }
  bool queues() const override { return link_.queues(); }
  uint64_t cmm_bytes() const override { return chain_.cmm_bytes + guard_.size_bytes(); }

  Status Prefill(std::span<const int32_t> tokens, uint32_t history, const StopCheck& stop,
                 const std::function<Status(size_t)>& on_row) override {
    AX_RETURN_IF_ERROR(CheckRoom(history, tokens.size()));
    AX_RETURN_IF_ERROR(GetReady());
    return Settled(Chunks(tokens, history, stop, on_row));
  }
  Status Decode(int32_t token, uint32_t position) override {
    AX_RETURN_IF_ERROR(CheckRoom(position, 1));
    AX_RETURN_IF_ERROR(GetReady());
    return Settled(StepAndPost(token, position));
  }

 private:
  Status BindThread() {
    if (bound_ == std::this_thread::get_id()) return {};
    AX_RETURN_IF_ERROR(link_.device().BindThread());
    bound_ = std::this_thread::get_id();
    return {};
  }
  Status GetReady() {
    if (!link_.lost()) return BindThread();
    return Fail(ErrorKind::kDevice, "the card has not ended what was queued before");
  }
  Status CheckRoom(uint64_t history, uint64_t tokens) const {
    if (history + tokens <= limits_.context_tokens) return {};
    return Fail(ErrorKind::kTooLong,
                fmt::format("{} tokens do not fit into the context of {} tokens", history + tokens,
                            limits_.context_tokens));
  }
  // The hidden state of a decode step before layer i, or after the last one.
  device::Address step_hidden(size_t i) const {
    return link_.queues() ? guard_.hidden(i) : chain_.step.hidden[i % 2].address();
  }
  // Row `row` of a chunk's.
  device::Address chunk_hidden(size_t i, size_t row) const {
    return chain_.chunk.hidden[i % 2].address() + row * chain_.shape.hidden * kElementBytes;
  }
  // After a failure queued work may still use host memory.
  Status Settled(Status status) {
    if (!status && !link_.lost()) (void)link_.Wait();
    return status;
  }

  // Queues work from now on if this card does it right. An error: it cannot be used any more.
  Status TryQueue(const std::filesystem::path& probes);
  // Two steps that depend on each other; `queue` null: call by call.
  Status ProbeSteps(device::Queue* queue);

  Status Chunks(std::span<const int32_t> tokens, uint32_t history, const StopCheck& stop,
                const std::function<Status(size_t)>& on_row);
  Status StepAndPost(int32_t token, uint32_t position) {
    AX_RETURN_IF_ERROR(Step(token, position));
    return RunPost();
  }
  // All layers for one token; its hidden state is then in step_hidden(layers).
  Status Step(int32_t token, uint32_t position);
  // Without the post model: that they ran.
  Status EndStep() { return link_.queues() ? guard_.Collect(link_, false) : Status(); }
  // All layers for tokens.size() <= chunk rows; theirs are then in chunk_hidden(layers).
  Status Chunk(std::span<const int32_t> tokens, uint32_t position, const StepGroup& group,
               const StopCheck& stop);
  // Copies rows that a layer made for positions [position, position + rows) into its caches.
  Status KeepRows(const Layer& layer, const StepBuffers& from, uint32_t position, uint32_t rows);
  // step_hidden(layers) to logits_.
  Status RunPost();
  // Row `row` of chunk_hidden(layers) to logits_.
  Status RunPostForRow(uint32_t row);

  device::CardGate* gate_;
  Counters counters_;
  Link link_;
  Chain chain_;
  std::shared_ptr<const bundle::EmbeddingTable> embedding_;
  Limits limits_;
  std::thread::id bound_;
  // Host sides of what goes up and comes down, of the largest size, made once.
  std::vector<uint16_t> rows_;     // [chunk, H]
  std::vector<uint32_t> indices_;  // [planes, chunk]
  std::vector<uint16_t> mask_;     // of the largest group
  std::vector<std::byte> raw_logits_;
  std::vector<float> logits_;  // [vocab]
  // Made when work is queued.
  Guard guard_;
  RowGuard row_guard_;
  std::unique_ptr<device::Queue> queue_;  // the first to go
};

}  // namespace axollama::npu
