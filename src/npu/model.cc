#include "npu/model.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "base/bf16.h"
#include "base/clock.h"
#include "npu/chain.h"

namespace axollama::npu {
namespace {

constexpr uint64_t kElementBytes = 2;            // bf16
constexpr uint16_t kMasked = 0xC780;             // -65536 in bf16
constexpr std::chrono::minutes kLeaseLimit{10};  // others load one after the other before us

template <typename T>
std::span<const std::byte> BytesOf(const std::vector<T>& values, size_t count) {
  return std::as_bytes(std::span(values).first(count));
}

class NpuModel final : public Model {
 public:
  NpuModel(device::Device& device, const LoadOptions& options)
      : gate_(options.gate),
        link_(device, counters_, options.progress ? &options.progress->page() : nullptr) {}

  ~NpuModel() override {
    if (!chain_.layers.empty()) (void)BindThread();  // chain_ frees itself on this thread
  }

  Status Start(const bundle::Bundle& bundle, const StopCheck& stop);

  const Limits& limits() const override { return limits_; }
  std::span<const float> logits() const override { return logits_; }
  const Counters& counters() const override { return counters_; }
  uint64_t cmm_bytes() const override { return chain_.cmm_bytes; }

  Status Prefill(std::span<const int32_t> tokens, uint32_t history, const StopCheck& stop,
                 const std::function<Status(size_t)>& on_row) override;
  Status Decode(int32_t token, uint32_t position) override {
    AX_RETURN_IF_ERROR(CheckRoom(position, 1));
    AX_RETURN_IF_ERROR(BindThread());
    AX_RETURN_IF_ERROR(Step(token, position));
    return RunPost();
  }

 private:
  Status BindThread() {
    if (bound_ == std::this_thread::get_id()) return {};
    AX_RETURN_IF_ERROR(link_.device().BindThread());
    bound_ = std::this_thread::get_id();
    return {};
  }
  Status CheckRoom(uint64_t history, uint64_t tokens) const {
    if (history + tokens <= limits_.context_tokens) return {};
    return Fail(ErrorKind::kTooLong,
                fmt::format("{} tokens do not fit into the context of {} tokens", history + tokens,
                            limits_.context_tokens));
  }
  const Buffer& last_hidden(const StepBuffers& buffers) const {
    return buffers.hidden[chain_.layers.size() % 2];
  }

  // All layers for one token; its hidden state is then in last_hidden(step).
  Status Step(int32_t token, uint32_t position);
  // All layers for tokens.size() <= chunk rows; theirs are then in last_hidden(chunk).
  Status Chunk(std::span<const int32_t> tokens, uint32_t position, const StepGroup& group,
               const StopCheck& stop);
  // Copies rows that a layer made for positions [position, position + rows) into its caches.
  Status KeepRows(const Layer& layer, const StepBuffers& from, uint32_t position, uint32_t rows);
  // last_hidden(step) to logits_.
  Status RunPost();
  // Row `row` of last_hidden(chunk) to logits_.
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
};

Status NpuModel::Start(const bundle::Bundle& bundle, const StopCheck& stop) {
  AX_ASSIGN_OR_RETURN(chain_, LoadChain(link_, bundle, stop));
  bound_ = std::this_thread::get_id();
  embedding_ = bundle.embedding;
  const LayerShape& shape = chain_.shape;
  limits_.context_tokens = shape.kv_rows() + 1;
  limits_.chunk_tokens = shape.chunk();
  limits_.max_prompt_tokens = limits_.context_tokens;
  if (!shape.prefill.empty()) {
    limits_.max_prompt_tokens =
        std::min(limits_.context_tokens, shape.prefill.back().usable_rows + shape.chunk());
  }
  limits_.vocab = chain_.post_shape.vocab;
  limits_.hidden = shape.hidden;
  limits_.layers = static_cast<uint32_t>(chain_.layers.size());
  rows_.resize(size_t{shape.chunk()} * shape.hidden);
  indices_.resize(size_t{shape.chunk()} * shape.index_planes);
  mask_.resize(shape.mask_bytes() / kElementBytes);
  raw_logits_.resize(size_t{limits_.vocab} * chain_.post_shape.logit_bytes);
  logits_.resize(limits_.vocab);
  return {};
}

Status NpuModel::KeepRows(const Layer& layer, const StepBuffers& from, uint32_t position,
                          uint32_t rows) {
  // The context's last position has no row: nothing comes after it.
  const uint32_t room = chain_.shape.kv_rows() - std::min(chain_.shape.kv_rows(), position);
  rows = std::min(rows, room);
  if (rows == 0) return {};
  const uint64_t row_bytes = chain_.shape.kv_width * kElementBytes;
  const uint64_t offset_bytes = position * row_bytes;
  AX_RETURN_IF_ERROR(link_.CopyOnDevice(layer.k_cache.address() + offset_bytes,
                                        from.k_out.address(), rows * row_bytes));
  return link_.CopyOnDevice(layer.v_cache.address() + offset_bytes, from.v_out.address(),
                            rows * row_bytes);
}

Status NpuModel::Step(int32_t token, uint32_t position) {
  const LayerShape& shape = chain_.shape;
  AX_RETURN_IF_ERROR(embedding_->Row(token, std::span(rows_).first(shape.hidden)));
  AX_RETURN_IF_ERROR(link_.CopyUp(chain_.step.hidden[0].address(), BytesOf(rows_, shape.hidden)));
  std::fill_n(indices_.begin(), shape.index_planes, position);
  AX_RETURN_IF_ERROR(
      link_.CopyUp(chain_.step.indices.address(), BytesOf(indices_, shape.index_planes)));

  const StepGroup* group = ChooseGroup(shape.decode, position);
  if (group == nullptr) return Fail(ErrorKind::kInternal, "no decode group for this position");
  const size_t columns = size_t{group->history_rows} + 1;
  std::fill_n(mask_.begin(), position, uint16_t{0});
  std::fill(mask_.begin() + position, mask_.begin() + group->history_rows, kMasked);
  mask_[group->history_rows] = 0;  // itself
  AX_RETURN_IF_ERROR(link_.CopyUp(chain_.step.mask.address(), BytesOf(mask_, columns)));

  const size_t variant = static_cast<size_t>(group - shape.decode.data());
  for (const Layer& layer : chain_.layers) {
    AX_RETURN_IF_ERROR(link_.Execute(*layer.model, group->index, *layer.decode[variant]));
    AX_RETURN_IF_ERROR(KeepRows(layer, chain_.step, position, 1));
  }
  return {};
}

Status NpuModel::Chunk(std::span<const int32_t> tokens, uint32_t position, const StepGroup& group,
                       const StopCheck& stop) {
  const LayerShape& shape = chain_.shape;
  const size_t valid = tokens.size();
  for (size_t r = 0; r < valid; ++r) {
    AX_RETURN_IF_ERROR(
        embedding_->Row(tokens[r], std::span(rows_).subspan(r * shape.hidden, shape.hidden)));
  }
  // Rows beyond the valid ones must be finite: a NaN would pass through the mask.
  std::fill(rows_.begin() + static_cast<ptrdiff_t>(valid * shape.hidden), rows_.end(), 0);
  AX_RETURN_IF_ERROR(link_.CopyUp(chain_.chunk.hidden[0].address(), BytesOf(rows_, rows_.size())));

  std::fill(indices_.begin(), indices_.end(), 0);
  for (size_t plane = 0; plane < shape.index_planes; ++plane) {
    for (size_t r = 0; r < valid; ++r) {
      indices_[plane * group.rows + r] = position + static_cast<uint32_t>(r);
    }
  }
  AX_RETURN_IF_ERROR(
      link_.CopyUp(chain_.chunk.indices.address(), BytesOf(indices_, indices_.size())));

  const size_t columns = size_t{group.history_rows} + group.rows;
  std::fill_n(mask_.begin(), columns * group.rows, kMasked);
  for (size_t r = 0; r < valid; ++r) {
    uint16_t* const row = mask_.data() + r * columns;
    std::fill_n(row, position, uint16_t{0});
    std::fill_n(row + group.history_rows, r + 1, uint16_t{0});
  }
  AX_RETURN_IF_ERROR(
      link_.CopyUp(chain_.chunk.mask.address(), BytesOf(mask_, columns * group.rows)));

  const size_t variant = static_cast<size_t>(&group - shape.prefill.data());
  for (const Layer& layer : chain_.layers) {
    if (stop && stop()) return Fail(ErrorKind::kCancelled, "stopped while reading the prompt");
    AX_RETURN_IF_ERROR(link_.Execute(*layer.model, group.index, *layer.prefill[variant]));
    AX_RETURN_IF_ERROR(KeepRows(layer, chain_.chunk, position, static_cast<uint32_t>(valid)));
  }
  return {};
}

Status NpuModel::RunPost() {
  AX_RETURN_IF_ERROR(link_.Execute(*chain_.post, 0, *chain_.post_io));
  AX_RETURN_IF_ERROR(link_.CopyDown(raw_logits_, chain_.logits.address()));
  if (chain_.post_shape.logit_bytes == sizeof(float)) {
    std::memcpy(logits_.data(), raw_logits_.data(), raw_logits_.size());
    return {};
  }
  const auto* bits = reinterpret_cast<const uint16_t*>(raw_logits_.data());
  for (size_t i = 0; i < logits_.size(); ++i) logits_[i] = Bf16ToFloat(bits[i]);
  return {};
}

Status NpuModel::RunPostForRow(uint32_t row) {
  const uint64_t row_bytes = chain_.shape.hidden * kElementBytes;
  AX_RETURN_IF_ERROR(link_.CopyOnDevice(last_hidden(chain_.step).address(),
                                        last_hidden(chain_.chunk).address() + row * row_bytes,
                                        row_bytes));
  return RunPost();
}

Status NpuModel::Prefill(std::span<const int32_t> tokens, uint32_t history, const StopCheck& stop,
                         const std::function<Status(size_t)>& on_row) {
  if (tokens.empty()) return Fail(ErrorKind::kInvalid, "no token to compute");
  AX_RETURN_IF_ERROR(CheckRoom(history, tokens.size()));
  AX_RETURN_IF_ERROR(BindThread());
  size_t done = 0;
  while (done < tokens.size()) {
    if (stop && stop()) return Fail(ErrorKind::kCancelled, "stopped while reading the prompt");
    if (gate_ != nullptr) AX_RETURN_IF_ERROR(gate_->Yield(stop));
    const uint32_t position = history + static_cast<uint32_t>(done);
    const StepGroup* group = ChooseGroup(chain_.shape.prefill, position);
    // A chunk of one row costs more than a step.
    const bool step = group == nullptr || tokens.size() - done == 1;
    const size_t count = step ? 1 : std::min<size_t>(group->rows, tokens.size() - done);
    if (step) {
      AX_RETURN_IF_ERROR(Step(tokens[done], position));
    } else {
      AX_RETURN_IF_ERROR(Chunk(tokens.subspan(done, count), position, *group, stop));
    }
    for (size_t r = on_row ? 0 : count - 1; r < count; ++r) {
      if (!on_row && done + r + 1 < tokens.size()) continue;
      AX_RETURN_IF_ERROR(step ? RunPost() : RunPostForRow(static_cast<uint32_t>(r)));
      if (on_row) AX_RETURN_IF_ERROR(on_row(done + r));
    }
    done += count;
  }
  return {};
}

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

Result<std::unique_ptr<Model>> Model::Load(device::Device& device, const bundle::Bundle& bundle,
                                           const LoadOptions& options) {
  AX_RETURN_IF_ERROR(device::CheckFits(device.backend(), bundle.simulator));
  Lease lease;
  AX_RETURN_IF_ERROR(lease.Acquire(options));
  auto model = std::make_unique<NpuModel>(device, options);
  AX_RETURN_IF_ERROR(model->Start(bundle, options.stop));
  return model;
}

}  // namespace axollama::npu
