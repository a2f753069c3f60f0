// What computes steps and chunks on the card: the files of a bundle, bound to the buffers they use.
// Two kinds: one file per layer and a post model (ChainNetwork), or whole stacks (StackNetwork).
//
// The Model prepares a step's or chunk's inputs on the host and asks for logits; a Network says
// where inputs go up, executes, keeps the new K and V rows in its caches, and brings logits down.
// Its link may queue work or not; while it queues, a Network makes sure that the work was done.
// Owner: the Model; the link outlives it. Threads: the model's; it must be bound to the device,
// also to destroy this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "bundle/bundle.h"
#include "device/device.h"
#include "npu/link.h"
#include "npu/model.h"
#include "npu/shapes.h"

namespace axollama::npu {

class Network {
 public:
  // Loads and binds a bundle's files. On failure nothing stays on the device. The caller holds the
  // load lease; the calling thread gets bound.
  static Result<std::unique_ptr<Network>> Load(Link& link, const bundle::Bundle& bundle,
                                               const StopCheck& stop);
  virtual ~Network() = default;

  // Where the inputs of a step or a chunk go up to.
  struct Inputs {
    device::Address rows;     // bf16 [rows, H]
    device::Address indices;  // uint32 [planes, rows]
    device::Address mask;     // bf16 [rows, history + rows] of the group
  };

  virtual const LayerShape& shape() const = 0;
  virtual uint32_t layers() const = 0;
  // Logits of a row: the vocabulary; or the hidden size, where hidden states stand in their place.
  virtual uint32_t width() const = 0;
  virtual uint32_t logit_bytes() const = 0;  // of one: 2, bf16, or 4, float
  virtual uint64_t cmm_bytes() const = 0;
  const std::string& firmware() const { return firmware_; }  // of the card; "": it cannot tell

  // From now on the link queues (on), or does not; nothing is queued at this moment. kNoMemory when
  // there is no room for what shows that queued work was done.
  virtual Status Queue(bool on) = 0;
  // From now on the files write a step's new K and V rows straight into the caches (on), or the
  // rows are copied there. kUnavailable where that is not possible.
  virtual Status BindRows(bool on);

  // A step: Begin, then its inputs go up, then Run for the group that takes them, then its logits,
  // or EndStep where nobody needs them.
  virtual Status BeginStep() = 0;
  virtual Inputs step_inputs() const = 0;
  virtual Status RunStep(const StepGroup& group, uint32_t position) = 0;
  virtual Status EndStep() = 0;
  // [width] of logit_bytes. Valid until the next call.
  virtual Result<std::span<const std::byte>> StepLogits() = 0;

  // The same for a chunk of `valid` rows, the others being padding. It is done when Run returns.
  virtual Status BeginChunk(size_t valid) = 0;
  virtual Inputs chunk_inputs() const = 0;
  virtual Status RunChunk(const StepGroup& group, uint32_t position, size_t valid,
                          const StopCheck& stop) = 0;
  virtual Result<std::span<const std::byte>> RowLogits(size_t row) = 0;

 protected:
  explicit Network(std::string firmware) : firmware_(std::move(firmware)) {}

 private:
  const std::string firmware_;
};

// The caches of one layer, bf16 [cache rows, D]; row p belongs to position p.
struct Caches {
  Buffer k, v;

  // Copies new rows, of the positions [position, position + rows), into them.
  Status Keep(Link& link, const LayerShape& shape, const Buffer& k_out, const Buffer& v_out,
              uint32_t position, uint32_t rows) const;
};

}  // namespace axollama::npu
