// All layers and the post model in one file: what the files of a per-layer model compute one after
// the other, with the same arithmetic and the same bits. Threads: see model.h.
#pragma once

#include <utility>
#include <vector>

#include "sim/model/layer.h"
#include "sim/model/model.h"
#include "sim/model/post.h"
#include "sim/model/shape.h"

namespace axsim::model {

class StackModel final : public Model {
 public:
  StackModel(container::Model description, std::vector<LayerWeights> layers, PostWeights post,
             std::vector<StackShape> shapes)
      : description_(std::move(description)),
        layers_(std::move(layers)),
        post_(post),
        shapes_(std::move(shapes)) {}

  const container::Model& description() const override { return description_; }
  // Logits are computed for every row that sees anything, since the tensor has a place for each:
  // that the client wants one of them only is not known here. The others are zeros.
  axollama::Status Run(Executor& executor, uint32_t group, Spans inputs,
                       Spans outputs) const override;

 private:
  const spec::Program& part(size_t i) const { return description_.program.parts[i]; }

  container::Model description_;
  std::vector<LayerWeights> layers_;
  PostWeights post_;
  std::vector<StackShape> shapes_;  // one per group
};

}  // namespace axsim::model
