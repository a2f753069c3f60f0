// The post model: final norm and head, bf16 logits. Threads: see model.h.
#pragma once

#include <vector>

#include "sim/model/executor.h"
#include "sim/model/model.h"
#include "sim/model/shape.h"

namespace axsim::model {

class PostModel final : public Model {
 public:
  PostModel(container::Model description, const float* norm, Matrix head,
            std::vector<PostShape> shapes)
      : description_(std::move(description)),
        norm_(norm),
        head_(head),
        shapes_(std::move(shapes)) {}

  const container::Model& description() const override { return description_; }
  axollama::Status Run(Executor& executor, uint32_t group, Spans inputs,
                       Spans outputs) const override;

 private:
  container::Model description_;
  const float* norm_;  // [hidden], in the file
  Matrix head_;        // [vocab, hidden]
  std::vector<PostShape> shapes_;
};

}  // namespace axsim::model
