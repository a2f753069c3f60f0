// The post model: final norm and head, bf16 logits; or the norm alone, and bf16 hidden states of a
// model that makes embeddings. Threads: see model.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/model/executor.h"
#include "sim/model/model.h"
#include "sim/model/shape.h"

namespace axsim::model {

// Views of the model's file.
struct PostWeights {
  const float* norm = nullptr;  // [hidden]
  Matrix head;                  // [vocab, hidden]; empty: the norm is the end
};

// The first `rows` rows: output [rows, output width] of input [rows, hidden], bf16, in `scratch`
// (PostScratchBytes, 64-byte aligned). Where there is a head, valid after CpuExecutor::Prepare.
size_t PostScratchBytes(CpuExecutor& cpu, const spec::Program& program, const PostWeights& weights,
                        size_t rows);
void RunPost(CpuExecutor& cpu, const spec::Program& program, const PostWeights& weights,
             const uint16_t* input, uint16_t* output, size_t rows, std::byte* scratch);

class PostModel final : public Model {
 public:
  PostModel(container::Model description, PostWeights weights, std::vector<PostShape> shapes)
      : description_(std::move(description)), weights_(weights), shapes_(std::move(shapes)) {}

  const container::Model& description() const override { return description_; }
  axollama::Status Run(Executor& executor, uint32_t group, Spans inputs,
                       Spans outputs) const override;

 private:
  container::Model description_;
  PostWeights weights_;
  std::vector<PostShape> shapes_;
};

}  // namespace axsim::model
