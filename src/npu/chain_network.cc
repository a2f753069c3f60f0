#include "npu/chain_network.h"

#include <utility>

namespace axollama::npu {
namespace {

// Layers of a chunk that are queued at once: a wait costs little beside them, and a client that
// goes, or a card that hangs, is noticed between them.
constexpr size_t kLayersPerWait = 8;

}  // namespace

Result<std::unique_ptr<Network>> ChainNetwork::Load(Link& link, const bundle::Bundle& bundle,
                                                    const StopCheck& stop) {
  AX_ASSIGN_OR_RETURN(Chain chain, LoadChain(link, bundle, stop));
  return std::make_unique<ChainNetwork>(link, std::move(chain));
}

ChainNetwork::ChainNetwork(Link& link, Chain chain)
    : Network(chain.firmware),
      link_(link),
      chain_(std::move(chain)),
      raw_logits_(size_t{width()} * logit_bytes()) {}

Status ChainNetwork::Queue(bool on) {
  if (!on) {
    AX_RETURN_IF_ERROR(BindStep(chain_, nullptr));
    guard_ = Guard();
    return {};
  }
  if (guard_.size_bytes() == 0) {
    const uint64_t hidden_bytes = chain_.shape.hidden * kElementBytes;
    AX_ASSIGN_OR_RETURN(guard_,
                        Guard::Make(link_.device(), layers(), hidden_bytes, raw_logits_.size()));
  }
  return BindStep(chain_, &guard_);
}

Status ChainNetwork::BindRows(bool on) {
  // At other addresses inside of a buffer cards were seen to misread bindings.
  if (on && chain_.shape.kv_width * kElementBytes % kBindAlignment != 0) {
    return Fail(ErrorKind::kUnavailable, "a row of the caches is no multiple of 2048 bytes");
  }
  binds_rows_ = on;
  if (on) return {};
  for (const Layer& layer : chain_.layers) {
    for (const auto& io : layer.decode) AX_RETURN_IF_ERROR(BindOutputs(layer, *io, nullptr));
  }
  return {};
}

Status ChainNetwork::BindOutputs(const Layer& layer, device::Io& io,
                                 const uint32_t* position) const {
  const uint64_t row_bytes = chain_.shape.kv_width * kElementBytes;
  // The context's last position has no row.
  const bool bound = position != nullptr && *position < chain_.shape.kv_rows();
  const uint64_t offset_bytes = bound ? *position * row_bytes : 0;
  const Buffer& k = bound ? layer.caches.k : chain_.step.k_out;
  const Buffer& v = bound ? layer.caches.v : chain_.step.v_out;
  const LayerTensors& t = chain_.shape.tensors;
  AX_RETURN_IF_ERROR(io.BindOutput(t.k_out, k.address() + offset_bytes, row_bytes));
  return io.BindOutput(t.v_out, v.address() + offset_bytes, row_bytes);
}

Status ChainNetwork::RunStep(const StepGroup& group, uint32_t position) {
  const size_t variant = static_cast<size_t>(&group - chain_.shape.decode.data());
  for (const Layer& layer : chain_.layers) {
    device::Io& io = *layer.decode[variant];
    if (binds_rows_) AX_RETURN_IF_ERROR(BindOutputs(layer, io, &position));
    AX_RETURN_IF_ERROR(link_.Execute(*layer.model, group.index, io));
    if (binds_rows_) continue;
    AX_RETURN_IF_ERROR(
        layer.caches.Keep(link_, chain_.shape, chain_.step.k_out, chain_.step.v_out, position, 1));
  }
  return {};
}

Result<std::span<const std::byte>> ChainNetwork::StepLogits() {
  AX_RETURN_IF_ERROR(link_.Execute(*chain_.post, 0, *chain_.post_io));
  if (link_.queues()) {
    AX_RETURN_IF_ERROR(guard_.Collect(link_, true));
    return guard_.raw_logits();
  }
  AX_RETURN_IF_ERROR(link_.CopyDown(raw_logits_, chain_.logits.address()));
  return raw_logits_;
}

Status ChainNetwork::BeginChunk(size_t valid) {
  if (!link_.queues()) return {};
  row_guard_.Begin(chain_.shape.hidden * kElementBytes);
  return row_guard_.Arm(link_, chunk_hidden(0, valid - 1));
}

Status ChainNetwork::RunChunk(const StepGroup& group, uint32_t position, size_t valid,
                              const StopCheck& stop) {
  const size_t variant = static_cast<size_t>(&group - chain_.shape.prefill.data());
  for (size_t i = 0; i < chain_.layers.size(); ++i) {
    if (!link_.queues() || i % kLayersPerWait == 0) {
      AX_RETURN_IF_ERROR(link_.Wait());
      if (stop && stop()) return Fail(ErrorKind::kCancelled, "stopped while reading the prompt");
    }
    const Layer& layer = chain_.layers[i];
    if (link_.queues()) {
      AX_RETURN_IF_ERROR(row_guard_.Arm(link_, chunk_hidden(i + 1, valid - 1)));
    }
    AX_RETURN_IF_ERROR(link_.Execute(*layer.model, group.index, *layer.prefill[variant]));
    AX_RETURN_IF_ERROR(layer.caches.Keep(link_, chain_.shape, chain_.chunk.k_out,
                                         chain_.chunk.v_out, position,
                                         static_cast<uint32_t>(valid)));
  }
  if (!link_.queues()) return {};
  return row_guard_.Collect(link_, chunk_hidden(chain_.layers.size(), valid - 1));
}

Result<std::span<const std::byte>> ChainNetwork::RowLogits(size_t row) {
  const size_t last = chain_.layers.size();
  AX_RETURN_IF_ERROR(BeginStep());
  AX_RETURN_IF_ERROR(link_.CopyOnDevice(step_hidden(last), chunk_hidden(last, row),
                                        chain_.shape.hidden * kElementBytes));
  return StepLogits();
}

}  // namespace axollama::npu
