// Everything of a per-layer model that lives on the device: layers, post model, caches and buffers,
// bound once. The loader fills it, ChainNetwork runs it.
//
// Each input and output has a buffer of its own, bound whole (interior addresses that are not
// aligned are misread by the card when bound); only copies use interior addresses. Layer i reads
// hidden[i % 2] and writes hidden[(i + 1) % 2], so bindings never change. While work is queued, the
// hidden states and logits of a decode step are those of its guard.
// Owner: the ChainNetwork. Threads: the model's; it must be bound to the device, also to destroy
// this.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bundle/bundle.h"
#include "npu/guard.h"
#include "npu/link.h"
#include "npu/loading.h"
#include "npu/model.h"
#include "npu/network.h"
#include "npu/shapes.h"

namespace axollama::npu {

// Buffers of one step: of a decode step (one row) or of a prefill chunk.
struct StepBuffers {
  std::array<Buffer, 2> hidden;  // bf16 [rows, H]
  Buffer indices;                // uint32 [planes, rows]
  Buffer mask;                   // bf16 [rows, history + rows] of the largest group
  Buffer k_out, v_out;           // bf16 [rows, D]
};

struct Layer {
  // Destroyed in reverse: IOs, model, caches.
  Caches caches;
  std::unique_ptr<device::LoadedModel> model;
  std::vector<std::unique_ptr<device::Io>> decode;   // by LayerShape::decode
  std::vector<std::unique_ptr<device::Io>> prefill;  // by LayerShape::prefill
};

struct Chain {
  LayerShape shape;
  PostShape post_shape;
  StepBuffers step;   // decode
  StepBuffers chunk;  // prefill; empty without prefill groups
  Buffer logits;
  std::vector<Buffer> post_scratch;  // outputs of the post model that nobody reads
  std::vector<Layer> layers;
  std::unique_ptr<device::LoadedModel> post;
  std::unique_ptr<device::Io> post_io;  // input: step.hidden[layers % 2]
  uint64_t cmm_bytes = 0;
  std::string firmware;  // of the card; "" when it cannot tell
};

// Loads and binds all of it. On failure nothing stays on the device. The caller holds the load
// lease; the calling thread gets bound.
Result<Chain> LoadChain(Link& link, const bundle::Bundle& bundle, const StopCheck& stop);

// Binds the hidden states and logits of decode steps anew: to the guard's, or (null) to the chain's
// own. Local to the host.
Status BindStep(const Chain& chain, const Guard* guard);

}  // namespace axollama::npu
