// Shows whether queued work was done: a card may drop it and say nothing.
//
// The hidden states of a decode step and the logits lie in one block on the device. One fill marks
// them all, before each token, with a pattern that changes and that no layer makes: huge numbers.
// A layer that does not run leaves the mark where its output should be, and since every
// layer adds to its input, the mark reaches the last hidden state. What comes down has its end, a
// stamp that nothing but the fill writes, and the logits: an old stamp is work that was dropped
// whole, a mark is a layer, or the post model, that did not run.
//
//   [hidden 0] [hidden 1] ... [hidden layers] [stamp] [logits]      down: end of the last hidden ->
//
// Parts begin at multiples of 2,048 bytes: bindings at such addresses inside a buffer are read
// right by the card, others were seen not to be. Chunks, whose hidden states are large, have the
// last valid row of each layer's output marked instead (RowGuard).
// Owner: the Model; nothing is queued any more when it goes. Threads: the model's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "npu/link.h"

namespace axollama::npu {

// The next byte to mark with; consecutive ones differ.
class Marks {
 public:
  std::byte Next();

 private:
  size_t next_ = 0;
};

class Guard {
 public:
  Guard() = default;
  // `hidden_bytes` of one row; the block is not zeroed.
  static Result<Guard> Make(device::Device& device, size_t layers, uint64_t hidden_bytes,
                            uint64_t logits_bytes);

  // Before layer i; after the last one for i = layers.
  device::Address hidden(size_t i) const { return block_.address() + i * stride_bytes_; }
  device::Address logits() const { return block_.address() + logits_at_; }
  uint64_t size_bytes() const { return block_.size_bytes(); }

  // Marks everything, with one call; before the embedding row goes up.
  Status Arm(Link& link);
  // Copies down what shows it, with or without the logits, and waits for all that was queued.
  // kDevice when something was not computed.
  Status Collect(Link& link, bool with_logits);
  // After a Collect with them.
  std::span<const std::byte> raw_logits() const { return std::span(host_).last(logits_bytes_); }

 private:
  Buffer block_;
  uint64_t stride_bytes_ = 0;  // from one hidden state to the next
  uint64_t logits_bytes_ = 0;
  uint64_t tail_bytes_ = 0;  // of the last hidden state that come down
  uint64_t down_at_ = 0;     // where they are in the block
  uint64_t logits_at_ = 0;
  uint64_t armed_bytes_ = 0;     // of the block, from its begin
  std::vector<std::byte> host_;  // what comes down
  Marks marks_;
  std::byte mark_{};
};

// The same for one row of a chunk's hidden states, or of a stack's logits.
class RowGuard {
 public:
  void Begin(uint64_t row_bytes);
  // Before a layer writes the row at `row`.
  Status Arm(Link& link, device::Address row);
  // Of the row that the last layer wrote; waits. kDevice when a layer did not run.
  Status Collect(Link& link, device::Address row);
  // The same, and all of the row comes down.
  Status CollectRow(Link& link, device::Address row, std::span<std::byte> to);

 private:
  static constexpr size_t kTailBytes = 64;
  uint64_t row_bytes_ = 0;
  std::array<std::byte, kTailBytes> tail_{};
  Marks marks_;
  std::byte mark_{};
};

}  // namespace axollama::npu
