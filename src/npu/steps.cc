// The hot path: steps, chunks and the post model.
#include <algorithm>
#include <cstring>

#include "base/bf16.h"
#include "npu/npu_model.h"

namespace axollama::npu {
namespace {

constexpr uint16_t kMasked = 0xC780;  // -65536 in bf16
// Layers of a chunk that are queued at once: a wait costs little beside them, and a client that
// goes, or a card that hangs, is noticed between them.
constexpr size_t kLayersPerWait = 8;

template <typename T>
std::span<const std::byte> BytesOf(const std::vector<T>& values, size_t count) {
  return std::as_bytes(std::span(values).first(count));
}

}  // namespace

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
  if (link_.queues()) AX_RETURN_IF_ERROR(guard_.Arm(link_));
  AX_RETURN_IF_ERROR(link_.CopyUp(step_hidden(0), BytesOf(rows_, shape.hidden)));
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
  if (link_.queues()) {
    row_guard_.Begin(shape.hidden * kElementBytes);
    AX_RETURN_IF_ERROR(row_guard_.Arm(link_, chunk_hidden(0, valid - 1)));
  }
  AX_RETURN_IF_ERROR(link_.CopyUp(chunk_hidden(0, 0), BytesOf(rows_, rows_.size())));

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
    AX_RETURN_IF_ERROR(KeepRows(layer, chain_.chunk, position, static_cast<uint32_t>(valid)));
  }
  if (!link_.queues()) return {};
  return row_guard_.Collect(link_, chunk_hidden(chain_.layers.size(), valid - 1));
}

Status NpuModel::RunPost() {
  AX_RETURN_IF_ERROR(link_.Execute(*chain_.post, 0, *chain_.post_io));
  std::span<const std::byte> raw = raw_logits_;
  if (link_.queues()) {
    AX_RETURN_IF_ERROR(guard_.Collect(link_, true));
    raw = guard_.raw_logits();
  } else {
    AX_RETURN_IF_ERROR(link_.CopyDown(raw_logits_, chain_.logits.address()));
  }
  if (chain_.post_shape.logit_bytes == sizeof(float)) {
    std::memcpy(logits_.data(), raw.data(), raw.size());
    return {};
  }
  const auto* bits = reinterpret_cast<const uint16_t*>(raw.data());
  for (size_t i = 0; i < logits_.size(); ++i) logits_[i] = Bf16ToFloat(bits[i]);
  return {};
}

Status NpuModel::RunPostForRow(uint32_t row) {
  const size_t layers = chain_.layers.size();
  if (link_.queues()) AX_RETURN_IF_ERROR(guard_.Arm(link_));
  AX_RETURN_IF_ERROR(link_.CopyOnDevice(step_hidden(layers), chunk_hidden(layers, row),
                                        chain_.shape.hidden * kElementBytes));
  return RunPost();
}

Status NpuModel::Chunks(std::span<const int32_t> tokens, uint32_t history, const StopCheck& stop,
                        const std::function<Status(size_t)>& on_row) {
  if (tokens.empty()) return Fail(ErrorKind::kInvalid, "no token to compute");
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
    const bool last = done + count == tokens.size();
    if (step && !on_row && !last) AX_RETURN_IF_ERROR(EndStep());
    for (size_t r = on_row ? 0 : count - 1; r < count; ++r) {
      if (!on_row && !last) continue;
      AX_RETURN_IF_ERROR(step ? RunPost() : RunPostForRow(static_cast<uint32_t>(r)));
      if (on_row) AX_RETURN_IF_ERROR(on_row(done + r));
    }
    done += count;
  }
  return {};
}

}  // namespace axollama::npu
