#include "sim/model/layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/bf16.h"
#include "sim/model/attention.h"
#include "sim/model/layer_run.h"

namespace axsim::model {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Status;

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
  const Matrix all[] = {weights_.q,    weights_.k,  weights_.v,   weights_.o,
                        weights_.gate, weights_.up, weights_.down};
  cpu.Prepare(all);

  LayerRun run(cpu, description_.program, weights_, shape);
  run.Bind(inputs, outputs);
  Carver size(nullptr);
  run.Layout(size);
  Carver memory(cpu.Reserve(size.used()));
  run.Layout(memory);
  AX_RETURN_IF_ERROR(run.SelectTokens());
  run.Execute();
  return {};
}

}  // namespace axsim::model
