// One decoder layer: the graph that a Program of kind kLayer describes. Threads: see model.h.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "sim/model/executor.h"
#include "sim/model/model.h"
#include "sim/model/rope.h"
#include "sim/model/shape.h"

namespace axsim::model {

// Views of the model's file; null where the program has none.
struct LayerWeights {
  Matrix q, k, v, o, gate, up, down;
  const float *attn_norm = nullptr, *ffn_norm = nullptr;
  const float *q_norm = nullptr, *k_norm = nullptr;
  const float *q_bias = nullptr, *k_bias = nullptr, *v_bias = nullptr;
  const float *attn_post_norm = nullptr, *ffn_post_norm = nullptr;
  std::shared_ptr<const RopeTable> rope;

  std::array<Matrix, 7> matrices() const { return {q, k, v, o, gate, up, down}; }
};

// One group of a layer, run on checked bindings in `scratch`: LayerScratchBytes of it, 64-byte
// aligned. Valid after CpuExecutor::Prepare. Returns how many rows there are up to the last one
// that sees anything; those beyond pad the chunk and are zeros.
size_t LayerScratchBytes(CpuExecutor& cpu, const spec::Program& program,
                         const LayerWeights& weights, const LayerShape& shape);
axollama::Result<size_t> RunLayer(CpuExecutor& cpu, const spec::Program& program,
                                  const LayerWeights& weights, const LayerShape& shape,
                                  Spans inputs, Spans outputs, std::byte* scratch);

class LayerModel final : public Model {
 public:
  LayerModel(container::Model description, LayerWeights weights, std::vector<LayerShape> shapes)
      : description_(std::move(description)),
        weights_(std::move(weights)),
        shapes_(std::move(shapes)) {}

  const container::Model& description() const override { return description_; }
  axollama::Status Run(Executor& executor, uint32_t group, Spans inputs,
                       Spans outputs) const override;

 private:
  container::Model description_;
  LayerWeights weights_;
  std::vector<LayerShape> shapes_;  // one per group
};

}  // namespace axsim::model
