#include "sim/model/layer.h"

#include <fmt/format.h>

#include "sim/model/layer_run.h"

namespace axsim::model {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Status;

size_t LayerScratchBytes(CpuExecutor& cpu, const spec::Program& program,
                         const LayerWeights& weights, const LayerShape& shape) {
  Carver size(nullptr);
  LayerRun(cpu, program, weights, shape).Layout(size);
  return size.used();
}

axollama::Result<size_t> RunLayer(CpuExecutor& cpu, const spec::Program& program,
                                  const LayerWeights& weights, const LayerShape& shape,
                                  Spans inputs, Spans outputs, std::byte* scratch) {
  LayerRun run(cpu, program, weights, shape);
  run.Bind(inputs, outputs);
  Carver memory(scratch);
  run.Layout(memory);
  AX_RETURN_IF_ERROR(run.SelectTokens());
  run.Execute();
  return run.rows_used();
}

Status LayerModel::Run(Executor& executor, uint32_t group, Spans inputs, Spans outputs) const {
  if (group >= shapes_.size()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("group {} is asked for, the model has {}", group, shapes_.size()));
  }
  const LayerShape& shape = shapes_[group];
  const container::Group& tensors = description_.groups[group];
  AX_RETURN_IF_ERROR(CheckBindings("input", inputs, shape.input_bytes, tensors.inputs));
  AX_RETURN_IF_ERROR(CheckBindings("output", outputs, shape.output_bytes, tensors.outputs));

  auto& cpu = static_cast<CpuExecutor&>(executor);
  cpu.Prepare(weights_.matrices());
  std::byte* scratch = cpu.Reserve(LayerScratchBytes(cpu, description_.program, weights_, shape));
  AX_RETURN_IF_ERROR(
      RunLayer(cpu, description_.program, weights_, shape, inputs, outputs, scratch));
  return {};
}

}  // namespace axsim::model
