#include "sim/model/stack.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace axsim::model {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Status;

Status StackModel::Run(Executor& executor, uint32_t group, Spans inputs, Spans outputs) const {
  if (group >= shapes_.size()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("group {} is asked for, the model has {}", group, shapes_.size()));
  }
  const StackShape& shape = shapes_[group];
  const container::Group& tensors = description_.groups[group];
  AX_RETURN_IF_ERROR(CheckBindings("input", inputs, shape.input_bytes, tensors.inputs));
  AX_RETURN_IF_ERROR(CheckBindings("output", outputs, shape.output_bytes, tensors.outputs));

  auto& cpu = static_cast<CpuExecutor&>(executor);
  cpu.Prepare(layers_[0].matrices());
  const size_t rows = shape.layer.rows;
  const size_t hidden_bytes = rows * description_.program.hidden * sizeof(uint16_t);
  size_t work_bytes = PostScratchBytes(cpu, part(layers_.size()), post_, rows);
  for (size_t i = 0; i < layers_.size(); ++i) {
    work_bytes = std::max(work_bytes, LayerScratchBytes(cpu, part(i), layers_[i], shape.layer));
  }
  std::array<std::byte*, 2> hidden;  // layer i writes hidden[i % 2], bf16 [rows, hidden]
  std::byte* work = nullptr;
  const auto carve = [&](std::byte* base) {
    Carver carver(base);
    for (std::byte*& state : hidden) state = carver.Take<std::byte>(hidden_bytes);
    work = carver.Take<std::byte>(work_bytes);
    return carver.used();
  };
  carve(cpu.Reserve(carve(nullptr)));

  size_t rows_used = 0;
  std::span<std::byte> state = inputs[shape.input];
  for (size_t i = 0; i < layers_.size(); ++i) {
    const StackShape::Caches& caches = shape.caches[i];
    const LayerShape& at = shape.layer;
    std::array<std::span<std::byte>, 5> in;
    in[at.k_cache] = inputs[caches.k_cache];
    in[at.v_cache] = inputs[caches.v_cache];
    in[at.indices] = inputs[shape.indices];
    in[at.input] = state;
    in[at.mask] = inputs[shape.mask];
    std::array<std::span<std::byte>, 3> out;
    out[at.k_out] = outputs[caches.k_out];
    out[at.v_out] = outputs[caches.v_out];
    out[at.output] = state = {hidden[i % 2], hidden_bytes};
    AX_ASSIGN_OR_RETURN(rows_used, RunLayer(cpu, part(i), layers_[i], at, in, out, work));
  }
  auto* logits = reinterpret_cast<uint16_t*>(outputs[shape.logits].data());
  if (rows_used > 0) {
    RunPost(cpu, part(layers_.size()), post_, reinterpret_cast<const uint16_t*>(state.data()),
            logits, rows_used, work);
  }
  const size_t width = part(layers_.size()).output_width();
  std::fill(logits + rows_used * width, logits + rows * width, uint16_t{0});
  return {};
}

}  // namespace axsim::model
