#include "sim/model/shape.h"

#include <fmt/format.h>

namespace axsim::model {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;

constexpr size_t kMaxElements = size_t{1} << 40;

Result<size_t> Elements(const container::Tensor& tensor) {
  size_t n = 1;
  for (int32_t dim : tensor.dims) {
    if (dim <= 0 || n > kMaxElements / static_cast<size_t>(dim)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("tensor {} has a dimension of {}", tensor.name, dim));
    }
    n *= static_cast<size_t>(dim);
  }
  return n;
}

Result<size_t> Find(const std::vector<container::Tensor>& tensors, std::string_view name) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name == name) return i;
  }
  return Fail(ErrorKind::kInvalid, fmt::format("a group of the model has no tensor {}", name));
}

Status Expect(const container::Tensor& tensor, size_t elements) {
  AX_ASSIGN_OR_RETURN(const size_t have, Elements(tensor));
  if (have == elements) return {};
  return Fail(ErrorKind::kInvalid, fmt::format("tensor {} has {} elements, the program needs {}",
                                               tensor.name, have, elements));
}

Result<std::vector<size_t>> Bytes(const std::vector<container::Tensor>& tensors) {
  std::vector<size_t> bytes;
  for (const container::Tensor& tensor : tensors) {
    AX_ASSIGN_OR_RETURN(const size_t elements, Elements(tensor));
    bytes.push_back(elements * (tensor.name == "indices" ? 4 : 2));
  }
  return bytes;
}

Result<size_t> RowsOf(const container::Tensor& tensor, size_t width) {
  AX_ASSIGN_OR_RETURN(const size_t elements, Elements(tensor));
  if (elements % width == 0) return elements / width;
  return Fail(ErrorKind::kInvalid, fmt::format("tensor {} has {} elements, no multiple of {}",
                                               tensor.name, elements, width));
}

}  // namespace

Result<LayerShape> ReadLayerShape(const spec::Program& program, const container::Group& group) {
  LayerShape shape;
  AX_ASSIGN_OR_RETURN(shape.k_cache, Find(group.inputs, "K_cache"));
  AX_ASSIGN_OR_RETURN(shape.v_cache, Find(group.inputs, "V_cache"));
  AX_ASSIGN_OR_RETURN(shape.indices, Find(group.inputs, "indices"));
  AX_ASSIGN_OR_RETURN(shape.input, Find(group.inputs, "input"));
  AX_ASSIGN_OR_RETURN(shape.mask, Find(group.inputs, "mask"));
  AX_ASSIGN_OR_RETURN(shape.k_out, Find(group.outputs, "K_cache_out"));
  AX_ASSIGN_OR_RETURN(shape.v_out, Find(group.outputs, "V_cache_out"));
  AX_ASSIGN_OR_RETURN(shape.output, Find(group.outputs, "output"));
  const size_t width = size_t{program.kv_heads} * program.head_dim;
  AX_ASSIGN_OR_RETURN(shape.rows, RowsOf(group.inputs[shape.input], program.hidden));
  AX_ASSIGN_OR_RETURN(shape.history, RowsOf(group.inputs[shape.k_cache], width));
  AX_RETURN_IF_ERROR(Expect(group.inputs[shape.v_cache], shape.history * width));
  AX_RETURN_IF_ERROR(Expect(group.inputs[shape.indices], shape.rows));
  AX_RETURN_IF_ERROR(Expect(group.inputs[shape.mask], shape.rows * (shape.history + shape.rows)));
  AX_RETURN_IF_ERROR(Expect(group.outputs[shape.k_out], shape.rows * width));
  AX_RETURN_IF_ERROR(Expect(group.outputs[shape.v_out], shape.rows * width));
  AX_RETURN_IF_ERROR(Expect(group.outputs[shape.output], shape.rows * program.hidden));
  AX_ASSIGN_OR_RETURN(shape.input_bytes, Bytes(group.inputs));
  AX_ASSIGN_OR_RETURN(shape.output_bytes, Bytes(group.outputs));
  return shape;
}

Result<PostShape> ReadPostShape(const spec::Program& program, const container::Group& group) {
  PostShape shape;
  AX_ASSIGN_OR_RETURN(shape.input, Find(group.inputs, "input"));
  AX_ASSIGN_OR_RETURN(shape.output, Find(group.outputs, "output"));
  AX_ASSIGN_OR_RETURN(shape.rows, RowsOf(group.inputs[shape.input], program.hidden));
  AX_RETURN_IF_ERROR(Expect(group.outputs[shape.output], shape.rows * program.output_width()));
  AX_ASSIGN_OR_RETURN(shape.input_bytes, Bytes(group.inputs));
  AX_ASSIGN_OR_RETURN(shape.output_bytes, Bytes(group.outputs));
  return shape;
}

Result<StackShape> ReadStackShape(const spec::Program& program, const container::Group& group) {
  StackShape shape;
  AX_ASSIGN_OR_RETURN(shape.input, Find(group.inputs, "input_embeds"));
  AX_ASSIGN_OR_RETURN(shape.indices, Find(group.inputs, "indices"));
  AX_ASSIGN_OR_RETURN(shape.mask, Find(group.inputs, "mask"));
  AX_ASSIGN_OR_RETURN(shape.logits, Find(group.outputs, spec::OutputName(program)));
  LayerShape& layer = shape.layer;
  layer.k_cache = 0, layer.v_cache = 1, layer.indices = 2, layer.input = 3, layer.mask = 4;
  layer.k_out = 0, layer.v_out = 1, layer.output = 2;
  AX_ASSIGN_OR_RETURN(layer.rows, RowsOf(group.inputs[shape.input], program.hidden));
  AX_RETURN_IF_ERROR(Expect(group.inputs[shape.indices], layer.rows));
  AX_RETURN_IF_ERROR(
      Expect(group.outputs[shape.logits], layer.rows * program.parts.back().output_width()));
  for (size_t i = 0; i + 1 < program.parts.size(); ++i) {
    StackShape::Caches caches;
    AX_ASSIGN_OR_RETURN(caches.k_cache, Find(group.inputs, fmt::format("k_cache_{}", i)));
    AX_ASSIGN_OR_RETURN(caches.v_cache, Find(group.inputs, fmt::format("v_cache_{}", i)));
    AX_ASSIGN_OR_RETURN(caches.k_out, Find(group.outputs, fmt::format("k_cache_out_{}", i)));
    AX_ASSIGN_OR_RETURN(caches.v_out, Find(group.outputs, fmt::format("v_cache_out_{}", i)));
    const size_t width = size_t{program.parts[i].kv_heads} * program.parts[i].head_dim;
    if (i == 0) {
      AX_ASSIGN_OR_RETURN(layer.history, RowsOf(group.inputs[caches.k_cache], width));
    }
    AX_RETURN_IF_ERROR(Expect(group.inputs[caches.k_cache], layer.history * width));
    AX_RETURN_IF_ERROR(Expect(group.inputs[caches.v_cache], layer.history * width));
    AX_RETURN_IF_ERROR(Expect(group.outputs[caches.k_out], layer.rows * width));
    AX_RETURN_IF_ERROR(Expect(group.outputs[caches.v_out], layer.rows * width));
    shape.caches.push_back(caches);
  }
  AX_RETURN_IF_ERROR(Expect(group.inputs[shape.mask], layer.rows * (layer.history + layer.rows)));
  AX_ASSIGN_OR_RETURN(shape.input_bytes, Bytes(group.inputs));
  AX_ASSIGN_OR_RETURN(shape.output_bytes, Bytes(group.outputs));
  return shape;
}

Status CheckBindings(std::string_view kind, Spans spans, const std::vector<size_t>& bytes,
                     const std::vector<container::Tensor>& tensors) {
  if (spans.size() != bytes.size()) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} {}s are bound, the model has {}", spans.size(),
                                                 kind, bytes.size()));
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (spans[i].size() < bytes[i]) {
      return Fail(ErrorKind::kInvalid, fmt::format("{} {} needs {} bytes, {} are bound", kind,
                                                   tensors[i].name, bytes[i], spans[i].size()));
    }
    if (reinterpret_cast<uintptr_t>(spans[i].data()) % 2 != 0) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{} {} is bound to an odd address", kind, tensors[i].name));
    }
  }
  return {};
}

}  // namespace axsim::model
