#include "npu/model.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "npu/npu_model.h"

namespace axollama::npu {
namespace {

constexpr std::chrono::minutes kLeaseLimit{10};  // others load one after the other before us

// Holds the card-wide lease for a load.
class Lease {
 public:
  Lease() = default;
  ~Lease() {
    if (gate_ != nullptr) gate_->ReleaseLoad();
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Status Acquire(const LoadOptions& options) {
    if (options.gate == nullptr) return {};
    // Waiting for another process's load is no hang of this one.
    const auto waiting = [&options] {
      if (options.progress != nullptr) {
        options.progress->page().last_progress_ns.store(MonotonicNs());
      }
      return options.stop && options.stop();
    };
    AX_RETURN_IF_ERROR(options.gate->AcquireLoad(kLeaseLimit, waiting));
    gate_ = options.gate;
    return {};
  }

 private:
  device::CardGate* gate_ = nullptr;
};

}  // namespace

Status NpuModel::Start(const bundle::Bundle& bundle, const LoadOptions& options) {
  AX_ASSIGN_OR_RETURN(network_, Network::Load(link_, bundle, options.stop));
  bound_ = std::this_thread::get_id();
  embedding_ = bundle.embedding;
  const LayerShape& shape = network_->shape();
  limits_.context_tokens = shape.kv_rows() + 1;
  limits_.chunk_tokens = shape.chunk();
  limits_.max_prompt_tokens = limits_.context_tokens;
  if (!shape.prefill.empty()) {
    limits_.max_prompt_tokens =
        std::min(limits_.context_tokens, shape.prefill.back().usable_rows + shape.chunk());
  }
  limits_.makes_embeddings = bundle.makes_embeddings;
  limits_.vocab = bundle.makes_embeddings ? embedding_->tokens() : network_->width();
  limits_.hidden = shape.hidden;
  limits_.layers = network_->layers();
  rows_.resize(size_t{shape.chunk()} * shape.hidden);
  indices_.resize(size_t{shape.chunk()} * shape.index_planes);
  mask_.resize(shape.mask_bytes() / kElementBytes);
  AX_RETURN_IF_ERROR(TryQueue(options.probes));
  const Status tried = TryBoundRows(options.probes);
  logits_ = {};  // those of the trials may be gone with what they were tried with
  return tried;
}

Result<std::unique_ptr<Model>> Model::Load(device::Device& device, const bundle::Bundle& bundle,
                                           const LoadOptions& options) {
  AX_RETURN_IF_ERROR(device::CheckFits(device.backend(), bundle.simulator));
  Lease lease;
  AX_RETURN_IF_ERROR(lease.Acquire(options));
  auto model = std::make_unique<NpuModel>(device, options);
  AX_RETURN_IF_ERROR(model->Start(bundle, options));
  return model;
}

}  // namespace axollama::npu
