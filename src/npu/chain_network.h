// The network of a per-layer bundle: a file per layer, one after the other, and the post model.
// Owner and threads: as network.h says.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "npu/chain.h"
#include "npu/guard.h"
#include "npu/network.h"

namespace axollama::npu {

class ChainNetwork final : public Network {
 public:
  static Result<std::unique_ptr<Network>> Load(Link& link, const bundle::Bundle& bundle,
                                               const StopCheck& stop);
  ChainNetwork(Link& link, Chain chain);

  const LayerShape& shape() const override { return chain_.shape; }
  uint32_t layers() const override { return static_cast<uint32_t>(chain_.layers.size()); }
  uint32_t width() const override { return chain_.post_shape.width; }
  uint32_t logit_bytes() const override { return chain_.post_shape.logit_bytes; }
  uint64_t cmm_bytes() const override { return chain_.cmm_bytes + guard_.size_bytes(); }

  Status Queue(bool on) override;
  Status BindRows(bool on) override;

  Status BeginStep() override { return link_.queues() ? guard_.Arm(link_) : Status(); }
  Inputs step_inputs() const override {
    return {step_hidden(0), chain_.step.indices.address(), chain_.step.mask.address()};
  }
  Status RunStep(const StepGroup& group, uint32_t position) override;
  Status EndStep() override { return link_.queues() ? guard_.Collect(link_, false) : Status(); }
  Result<std::span<const std::byte>> StepLogits() override;

  Status BeginChunk(size_t valid) override;
  Inputs chunk_inputs() const override {
    return {chunk_hidden(0, 0), chain_.chunk.indices.address(), chain_.chunk.mask.address()};
  }
  Status RunChunk(const StepGroup& group, uint32_t position, size_t valid,
                  const StopCheck& stop) override;
  Result<std::span<const std::byte>> RowLogits(size_t row) override;

 private:
  // The hidden state of a decode step before layer i, or after the last one.
  device::Address step_hidden(size_t i) const {
    return link_.queues() ? guard_.hidden(i) : chain_.step.hidden[i % 2].address();
  }
  // Row `row` of a chunk's.
  device::Address chunk_hidden(size_t i, size_t row) const {
    return chain_.chunk.hidden[i % 2].address() + row * chain_.shape.hidden * kElementBytes;
  }

  // Where the layer writes the rows of a step at `position`: its caches, or (null) the copies'
  // source.
  Status BindOutputs(const Layer& layer, device::Io& io, const uint32_t* position) const;

  Link& link_;
  Chain chain_;
  bool binds_rows_ = false;
  // Made when work is queued.
  Guard guard_;
  RowGuard row_guard_;
  std::vector<std::byte> raw_logits_;  // where those come down otherwise
};

}  // namespace axollama::npu
