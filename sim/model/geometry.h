// A model without weights: it checks what is bound, and writes what a real one could have written,
// so that a client runs as it would. Threads: see model.h.
#pragma once

#include <utility>

#include "sim/model/model.h"

namespace axsim::model {

class GeometryModel final : public Model {
 public:
  explicit GeometryModel(container::Model description) : description_(std::move(description)) {}

  const container::Model& description() const override { return description_; }
  // Every output is zero but this: the first value of a hidden row is the row's position, and of
  // the logits one stands out that the position decides, a small letter in the tokenizer of these
  // bundles.
  axollama::Status Run(Executor& executor, uint32_t group,
                       std::span<const std::span<std::byte>> inputs,
                       std::span<const std::span<std::byte>> outputs) const override;

 private:
  container::Model description_;
};

}  // namespace axsim::model
