// The Model over a Network: model.cc loads it, trials.cc finds out what the card can do, steps.cc
// runs it.
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

#include "npu/link.h"
#include "npu/model.h"
#include "npu/network.h"
#include "npu/probe.h"

namespace axollama::npu {

class NpuModel final : public Model {
 public:
  NpuModel(device::Device& device, const LoadOptions& options)
      : gate_(options.gate),
        link_(device, counters_, options.progress ? &options.progress->page() : nullptr) {}

  ~NpuModel() override {
    if (network_ != nullptr) (void)BindThread();  // it frees itself on this thread
  }

  Status Start(const bundle::Bundle& bundle, const LoadOptions& options);

  const Limits& limits() const override { return limits_; }
  Logits logits() const override { return logits_; }
  const Counters& counters() const override { return counters_; }
  bool queues() const override { return link_.queues(); }
  uint64_t cmm_bytes() const override { return network_->cmm_bytes(); }

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
  // After a failure queued work may still use host memory.
  Status Settled(Status status) {
    if (!status && !link_.lost()) (void)link_.Wait();
    return status;
  }

  // Each uses a feature from now on if this card does it right. An error: it cannot be used any
  // more.
  Status TryQueue(const std::filesystem::path& probes);
  Status TryBoundRows(const std::filesystem::path& probes);
  // Runs `steps` with the feature (true) and without it, which must give the same bits in logits_;
  // `result` is an error when the feature fails, the returned one when the card does.
  Status Compare(ProbeRecord* record, const std::function<Status(bool)>& steps, Status* result);
  // Tokens from `first_token` on, at the positions from 0 on.
  Status RunSteps(int32_t first_token, uint32_t steps);
  // Finds out what queued calls take that are no executes.
  Status MeasureOtherCalls();

  Status Chunks(std::span<const int32_t> tokens, uint32_t history, const StopCheck& stop,
                const std::function<Status(size_t)>& on_row);
  Status StepAndPost(int32_t token, uint32_t position) {
    AX_RETURN_IF_ERROR(Step(token, position));
    return RunPost();
  }
  // One token, without its logits.
  Status Step(int32_t token, uint32_t position);
  // tokens.size() <= chunk rows, without their logits.
  Status Chunk(std::span<const int32_t> tokens, uint32_t position, const StepGroup& group,
               const StopCheck& stop);
  // Brings them to logits_: of the step, and of row `row` of the chunk.
  Status RunPost() { return TakeLogits(network_->StepLogits()); }
  Status RunPostForRow(size_t row) { return TakeLogits(network_->RowLogits(row)); }
  Status TakeLogits(const Result<std::span<const std::byte>>& raw) {
    if (!raw) return Fail(raw.error());
    logits_ = Logits(*raw, network_->logit_bytes());
    return {};
  }

  device::CardGate* gate_;
  Counters counters_;
  Link link_;
  std::shared_ptr<const bundle::EmbeddingTable> embedding_;
  Limits limits_;
  std::thread::id bound_;
  // Host sides of what goes up and comes down, of the largest size, made once.
  std::vector<uint16_t> rows_;     // [chunk, H]
  std::vector<uint32_t> indices_;  // [planes, chunk]
  std::vector<uint16_t> mask_;     // of the largest group
  Logits logits_;                  // [width], the network's
  std::unique_ptr<Network> network_;
  std::unique_ptr<device::Queue> queue_;  // the first to go
};

}  // namespace axollama::npu
