// The tensors of a group, found by name, and the check of what is bound to them. Threads: any.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sim/container/axmodel.h"

namespace axsim::model {

// Positions in Group::inputs and Group::outputs, and sizes.
struct LayerShape {
  size_t rows = 0;     // C: tokens of the chunk, 1 in the decode group
  size_t history = 0;  // rows of the caches
  size_t k_cache = 0, v_cache = 0, indices = 0, input = 0, mask = 0;
  size_t k_out = 0, v_out = 0, output = 0;
  std::vector<size_t> input_bytes, output_bytes;  // what a binding must hold
};

struct PostShape {
  size_t rows = 0;
  size_t input = 0, output = 0;
  std::vector<size_t> input_bytes, output_bytes;
};

// A stack's: all layers have the same rows and history, and the tensors of `layer` are numbered as
// in a layer's own file, where the hidden states between layers have a place too.
struct StackShape {
  struct Caches {
    size_t k_cache = 0, v_cache = 0, k_out = 0, v_out = 0;
  };
  LayerShape layer;
  size_t input = 0, indices = 0, mask = 0, logits = 0;
  std::vector<Caches> caches;  // by layer
  std::vector<size_t> input_bytes, output_bytes;
};

axollama::Result<LayerShape> ReadLayerShape(const spec::Program& program,
                                            const container::Group& group);
axollama::Result<PostShape> ReadPostShape(const spec::Program& program,
                                          const container::Group& group);
// `program` is of kind kStack, with layers.
axollama::Result<StackShape> ReadStackShape(const spec::Program& program,
                                            const container::Group& group);

using Spans = std::span<const std::span<std::byte>>;

// The count and sizes of what is bound; `kind` is "input" or "output", for the error.
axollama::Status CheckBindings(std::string_view kind, Spans spans, const std::vector<size_t>& bytes,
                               const std::vector<container::Tensor>& tensors);

}  // namespace axsim::model
