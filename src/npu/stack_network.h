// The network of a split or single bundle: files that hold all layers and the head. One execute
// computes a step or a chunk, and logits for each of its rows; of those only the row that is needed
// comes down.
// Owner and threads: as network.h says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "npu/guard.h"
#include "npu/loading.h"
#include "npu/network.h"
#include "npu/stack_shape.h"

namespace axollama::npu {

class StackNetwork final : public Network {
 public:
  static Result<std::unique_ptr<Network>> Load(Link& link, const bundle::Bundle& bundle,
                                               const StopCheck& stop);
  StackNetwork(Link& link, std::string firmware);

  const LayerShape& shape() const override { return shape_.layer; }
  uint32_t layers() const override { return shape_.layers(); }
  uint32_t width() const override { return shape_.width; }
  uint32_t logit_bytes() const override { return shape_.logit_bytes; }
  uint64_t cmm_bytes() const override { return cmm_bytes_; }

  // The logits are what shows whether work was done: they need no buffer more.
  Status Queue(bool) override { return {}; }

  Status BeginStep() override { return Arm(step_.logits, 0); }
  Inputs step_inputs() const override { return step_.inputs(); }
  Status RunStep(const StepGroup& group, uint32_t position) override;
  Status EndStep() override { return Check(step_.logits, 0); }
  Result<std::span<const std::byte>> StepLogits() override { return Collect(step_.logits, 0); }

  Status BeginChunk(size_t valid) override { return Arm(chunk_.logits, valid - 1); }
  Inputs chunk_inputs() const override { return chunk_.inputs(); }
  Status RunChunk(const StepGroup& group, uint32_t position, size_t valid,
                  const StopCheck& stop) override;
  Result<std::span<const std::byte>> RowLogits(size_t row) override {
    return Collect(chunk_.logits, row);
  }

 private:
  // Of a step or a chunk; each tensor has a buffer of its own, bound whole.
  struct Buffers {
    Buffer input;                      // bf16 [rows, H]
    Buffer indices;                    // uint32 [planes, rows]
    Buffer mask;                       // bf16 [rows, history + rows] of the largest group
    Buffer logits;                     // [rows, width]
    std::vector<Buffer> k_out, v_out;  // by layer, bf16 [rows, D]
    Inputs inputs() const { return {input.address(), indices.address(), mask.address()}; }
  };

  Status Start(Loading* loading, const bundle::Bundle& bundle);
  uint64_t WorkBytes() const;
  Status MakeBuffers(Loading* loading, uint64_t rows, uint64_t mask_bytes, Buffers* out) const;
  Result<std::unique_ptr<device::Io>> Bind(const StepGroup& group, const Buffers& buffers) const;
  Status Run(const StepGroup& group, device::Io& io, const Buffers& buffers, uint32_t position,
             uint32_t rows);

  uint64_t row_bytes() const { return uint64_t{width()} * logit_bytes(); }
  // Marks the end of a row of logits, shows that it was computed since, and brings it down.
  Status Arm(const Buffer& logits, size_t row);
  Status Check(const Buffer& logits, size_t row);
  Result<std::span<const std::byte>> Collect(const Buffer& logits, size_t row);

  Link& link_;
  StackShape shape_;
  uint64_t cmm_bytes_ = 0;
  RowGuard guard_;
  std::vector<std::byte> raw_logits_;  // of one row
  // Destroyed in reverse: IOs, models, buffers.
  std::vector<Caches> caches_;  // by layer
  Buffers step_, chunk_;        // chunk_ is empty without prefill groups
  std::vector<std::unique_ptr<device::LoadedModel>> files_;  // as in shape_
  std::vector<std::unique_ptr<device::Io>> decode_;          // by LayerShape::decode
  std::vector<std::unique_ptr<device::Io>> prefill_;         // by LayerShape::prefill
};

}  // namespace axollama::npu
