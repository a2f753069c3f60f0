// The hot path: steps and chunks.
#include <algorithm>

#include "npu/npu_model.h"

namespace axollama::npu {
namespace {

constexpr uint16_t kMasked = 0xC780;  // -65536 in bf16

template <typename T>
std::span<const std::byte> BytesOf(const std::vector<T>& values, size_t count) {
  return std::as_bytes(std::span(values).first(count));
}

}  // namespace

Status NpuModel::Step(int32_t token, uint32_t position) {
  const LayerShape& shape = network_->shape();
  AX_RETURN_IF_ERROR(embedding_->Row(token, std::span(rows_).first(shape.hidden)));
  AX_RETURN_IF_ERROR(network_->BeginStep());
  const Network::Inputs to = network_->step_inputs();
  AX_RETURN_IF_ERROR(link_.CopyUp(to.rows, BytesOf(rows_, shape.hidden)));
  std::fill_n(indices_.begin(), shape.index_planes, position);
  AX_RETURN_IF_ERROR(link_.CopyUp(to.indices, BytesOf(indices_, shape.index_planes)));

  const StepGroup* group = ChooseGroup(shape.decode, position);
  if (group == nullptr) return Fail(ErrorKind::kInternal, "no decode group for this position");
  const size_t columns = size_t{group->history_rows} + 1;
  std::fill_n(mask_.begin(), position, uint16_t{0});
  std::fill(mask_.begin() + position, mask_.begin() + group->history_rows, kMasked);
  mask_[group->history_rows] = 0;  // itself
  AX_RETURN_IF_ERROR(link_.CopyUp(to.mask, BytesOf(mask_, columns)));
  return network_->RunStep(*group, position);
}

Status NpuModel::Chunk(std::span<const int32_t> tokens, uint32_t position, const StepGroup& group,
                       const StopCheck& stop) {
  const LayerShape& shape = network_->shape();
  const size_t valid = tokens.size();
  for (size_t r = 0; r < valid; ++r) {
    AX_RETURN_IF_ERROR(
        embedding_->Row(tokens[r], std::span(rows_).subspan(r * shape.hidden, shape.hidden)));
  }
  // Rows beyond the valid ones must be finite: a NaN would pass through the mask.
  std::fill(rows_.begin() + static_cast<ptrdiff_t>(valid * shape.hidden), rows_.end(), 0);
  AX_RETURN_IF_ERROR(network_->BeginChunk(valid));
  const Network::Inputs to = network_->chunk_inputs();
  AX_RETURN_IF_ERROR(link_.CopyUp(to.rows, BytesOf(rows_, rows_.size())));

  std::fill(indices_.begin(), indices_.end(), 0);
  for (size_t plane = 0; plane < shape.index_planes; ++plane) {
    for (size_t r = 0; r < valid; ++r) {
      indices_[plane * group.rows + r] = position + static_cast<uint32_t>(r);
    }
  }
  AX_RETURN_IF_ERROR(link_.CopyUp(to.indices, BytesOf(indices_, indices_.size())));

  const size_t columns = size_t{group.history_rows} + group.rows;
  std::fill_n(mask_.begin(), columns * group.rows, kMasked);
  for (size_t r = 0; r < valid; ++r) {
    uint16_t* const row = mask_.data() + r * columns;
    std::fill_n(row, position, uint16_t{0});
    std::fill_n(row + group.history_rows, r + 1, uint16_t{0});
  }
  AX_RETURN_IF_ERROR(link_.CopyUp(to.mask, BytesOf(mask_, columns * group.rows)));
  return network_->RunChunk(group, position, valid, stop);
}

Status NpuModel::Chunks(std::span<const int32_t> tokens, uint32_t history, const StopCheck& stop,
                        const std::function<Status(size_t)>& on_row) {
  if (tokens.empty()) return Fail(ErrorKind::kInvalid, "no token to compute");
  size_t done = 0;
  while (done < tokens.size()) {
    if (stop && stop()) return Fail(ErrorKind::kCancelled, "stopped while reading the prompt");
    if (gate_ != nullptr) AX_RETURN_IF_ERROR(gate_->Yield(stop));
    const uint32_t position = history + static_cast<uint32_t>(done);
    const StepGroup* group = ChooseGroup(network_->shape().prefill, position);
    // A chunk of one row costs more than a step.
    const bool step = group == nullptr || tokens.size() - done == 1;
    const size_t count = step ? 1 : std::min<size_t>(group->rows, tokens.size() - done);
    if (step) {
      AX_RETURN_IF_ERROR(Step(tokens[done], position));
    } else {
      AX_RETURN_IF_ERROR(Chunk(tokens.subspan(done, count), position, *group, stop));
    }
    const bool last = done + count == tokens.size();
    if (step && !on_row && !last) AX_RETURN_IF_ERROR(network_->EndStep());
    for (size_t r = on_row ? 0 : count - 1; r < count; ++r) {
      if (!on_row && !last) continue;
      AX_RETURN_IF_ERROR(step ? RunPost() : RunPostForRow(r));
      if (on_row) AX_RETURN_IF_ERROR(on_row(done + r));
    }
    done += count;
  }
  return {};
}

}  // namespace axollama::npu
