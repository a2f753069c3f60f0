#include "npu/shapes.h"

#include <fmt/core.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>

namespace axollama::npu {
namespace {

using device::GroupInfo;
using device::TensorInfo;

constexpr uint32_t kMaxRows = 1u << 24;
constexpr uint32_t kMaxWidth = 1u << 24;

struct Alias {
  std::string_view name;
  Role role;
};
constexpr Alias kInputNames[] = {{"K_cache", Role::kKCache},  {"k_cache", Role::kKCache},
                                 {"V_cache", Role::kVCache},  {"v_cache", Role::kVCache},
                                 {"indices", Role::kIndices}, {"input", Role::kInput},
                                 {"mask", Role::kMask},       {"input_embeds", Role::kInput}};
constexpr Alias kOutputNames[] = {{"K_cache_out", Role::kKOut}, {"k_cache_out", Role::kKOut},
                                  {"V_cache_out", Role::kVOut}, {"v_cache_out", Role::kVOut},
                                  {"output", Role::kOutput},    {"logits", Role::kOutput}};

tl::unexpected<Error> Bad(std::string_view file, std::string message) {
  return Fail(ErrorKind::kInvalid, fmt::format("{}: {}", file, message));
}

std::string Names(const std::vector<TensorInfo>& tensors) {
  std::string names;
  for (const TensorInfo& tensor : tensors) names += (names.empty() ? "" : ", ") + tensor.name;
  return names;
}

// The index of the tensor with `role`; an error lists what is there.
Result<uint32_t> FindRole(const std::vector<TensorInfo>& tensors, bool input, Role role,
                          std::string_view wanted, std::string_view file) {
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    if (RoleOf(tensors[i].name, input) == role) return i;
  }
  return Bad(file, fmt::format("has no {} \"{}\" among {}: not a layer this program knows",
                               input ? "input" : "output", wanted, Names(tensors)));
}

// dims [..., rows, cols] with everything before of size 1, and bytes that agree.
struct Matrix {
  uint32_t rows = 0;
  uint32_t cols = 0;
};
Result<Matrix> ReadMatrix(const TensorInfo& tensor, std::string_view file) {
  std::string dims;
  for (const int32_t dim : tensor.dims) dims += fmt::format("{}{}", dims.empty() ? "" : ",", dim);
  const size_t count = tensor.dims.size();
  bool good = count >= 2;
  for (size_t i = 0; i + 2 < count; ++i) good = good && tensor.dims[i] == 1;
  Matrix matrix;
  if (good) {
    matrix.rows = static_cast<uint32_t>(tensor.dims[count - 2]);
    matrix.cols = static_cast<uint32_t>(tensor.dims[count - 1]);
    good =
        matrix.rows >= 1 && matrix.rows <= kMaxRows && matrix.cols >= 1 && matrix.cols <= kMaxWidth;
  }
  if (!good) return Bad(file, fmt::format("{} has the shape [{}]", tensor.name, dims));
  const uint64_t expected = uint64_t{matrix.rows} * matrix.cols * kElementBytes;
  if (tensor.size_bytes != expected) {
    return Bad(file, fmt::format("{} [{}] has {} bytes, {} were expected: its elements are not of "
                                 "16 bits",
                                 tensor.name, dims, tensor.size_bytes, expected));
  }
  return matrix;
}

Result<LayerTensors> FindTensors(const GroupInfo& group, std::string_view file) {
  for (const bool input : {true, false}) {
    for (const TensorInfo& tensor : input ? group.inputs : group.outputs) {
      if (RoleOf(tensor.name, input)) continue;
      return Bad(file, fmt::format("has an {} \"{}\", which is not supported yet",
                                   input ? "input" : "output", tensor.name));
    }
  }
  LayerTensors t;
  AX_ASSIGN_OR_RETURN(t.k_cache, FindRole(group.inputs, true, Role::kKCache, "K_cache", file));
  AX_ASSIGN_OR_RETURN(t.v_cache, FindRole(group.inputs, true, Role::kVCache, "V_cache", file));
  AX_ASSIGN_OR_RETURN(t.indices, FindRole(group.inputs, true, Role::kIndices, "indices", file));
  AX_ASSIGN_OR_RETURN(t.input, FindRole(group.inputs, true, Role::kInput, "input", file));
  AX_ASSIGN_OR_RETURN(t.mask, FindRole(group.inputs, true, Role::kMask, "mask", file));
  AX_ASSIGN_OR_RETURN(t.k_out, FindRole(group.outputs, false, Role::kKOut, "K_cache_out", file));
  AX_ASSIGN_OR_RETURN(t.v_out, FindRole(group.outputs, false, Role::kVOut, "V_cache_out", file));
  AX_ASSIGN_OR_RETURN(t.output, FindRole(group.outputs, false, Role::kOutput, "output", file));
  if (group.inputs.size() != 5 || group.outputs.size() != 3) {
    return Bad(
        file, fmt::format("has a tensor twice: {}; {}", Names(group.inputs), Names(group.outputs)));
  }
  return t;
}

// Reads one group; its widths must be those of `shape`, which the first group sets.
Status ReadGroup(const GroupInfo& info, uint32_t index, std::string_view file, LayerShape* shape) {
  const LayerTensors& t = shape->tensors;
  AX_ASSIGN_OR_RETURN(const Matrix input, ReadMatrix(info.inputs[t.input], file));
  AX_ASSIGN_OR_RETURN(const Matrix output, ReadMatrix(info.outputs[t.output], file));
  AX_ASSIGN_OR_RETURN(const Matrix k, ReadMatrix(info.inputs[t.k_cache], file));
  AX_ASSIGN_OR_RETURN(const Matrix v, ReadMatrix(info.inputs[t.v_cache], file));
  AX_ASSIGN_OR_RETURN(const Matrix k_out, ReadMatrix(info.outputs[t.k_out], file));
  AX_ASSIGN_OR_RETURN(const Matrix v_out, ReadMatrix(info.outputs[t.v_out], file));
  AX_ASSIGN_OR_RETURN(const Matrix mask, ReadMatrix(info.inputs[t.mask], file));
  const uint64_t index_bytes = info.inputs[t.indices].size_bytes;
  const uint64_t plane_bytes = uint64_t{input.rows} * sizeof(uint32_t);
  const auto planes = static_cast<uint32_t>(index_bytes / plane_bytes);
  if (index == 0) {
    shape->hidden = input.cols;
    shape->kv_width = k.cols;
    shape->index_planes = planes;
  }

  const auto check = [&](std::string_view what, uint64_t is, uint64_t should) -> Status {
    if (is == should) return {};
    return Bad(file,
               fmt::format("shape group {}: {} is {}, but should be {}", index, what, is, should));
  };
  AX_RETURN_IF_ERROR(check("the width of input", input.cols, shape->hidden));
  AX_RETURN_IF_ERROR(check("the width of output", output.cols, shape->hidden));
  AX_RETURN_IF_ERROR(check("rows of output", output.rows, input.rows));
  AX_RETURN_IF_ERROR(check("the width of K_cache", k.cols, shape->kv_width));
  AX_RETURN_IF_ERROR(check("the width of V_cache", v.cols, shape->kv_width));
  AX_RETURN_IF_ERROR(check("rows of V_cache", v.rows, k.rows));
  AX_RETURN_IF_ERROR(check("the width of K_cache_out", k_out.cols, shape->kv_width));
  AX_RETURN_IF_ERROR(check("the width of V_cache_out", v_out.cols, shape->kv_width));
  AX_RETURN_IF_ERROR(check("rows of K_cache_out", k_out.rows, input.rows));
  AX_RETURN_IF_ERROR(check("rows of V_cache_out", v_out.rows, input.rows));
  AX_RETURN_IF_ERROR(check("rows of mask", mask.rows, input.rows));
  AX_RETURN_IF_ERROR(check("columns of mask", mask.cols, uint64_t{k.rows} + input.rows));
  if (planes != 1 && planes != 3) {
    return Bad(file, fmt::format("indices has {} bytes for {} rows", index_bytes, input.rows));
  }
  AX_RETURN_IF_ERROR(check("the size of indices", index_bytes, shape->index_planes * plane_bytes));

  const StepGroup group{index, input.rows, k.rows, input.rows > 1 && k.rows == 1 ? 0 : k.rows};
  (input.rows == 1 ? shape->decode : shape->prefill).push_back(group);
  return {};
}

}  // namespace

std::optional<Role> RoleOf(std::string_view name, bool input) {
  const auto find = [&](auto& table) -> std::optional<Role> {
    for (const Alias& alias : table) {
      if (alias.name == name) return alias.role;
    }
    return std::nullopt;
  };
  return input ? find(kInputNames) : find(kOutputNames);
}

uint32_t LayerShape::cache_rows() const {
  uint32_t rows = kv_rows();
  for (const StepGroup& group : prefill) rows = std::max(rows, group.history_rows);
  return rows;
}

uint64_t LayerShape::mask_bytes() const {
  uint64_t bytes = 0;
  for (const auto* groups : {&decode, &prefill}) {
    for (const StepGroup& group : *groups) {
      bytes =
          std::max(bytes, uint64_t{group.rows} * (group.history_rows + group.rows) * kElementBytes);
    }
  }
  return bytes;
}

Result<LayerShape> ReadLayerShape(const std::vector<GroupInfo>& groups, std::string_view name) {
  if (groups.empty()) return Bad(name, "has no shape group");
  LayerShape shape;
  AX_ASSIGN_OR_RETURN(shape.tensors, FindTensors(groups[0], name));
  for (uint32_t i = 0; i < groups.size(); ++i) {
    AX_RETURN_IF_ERROR(ReadGroup(groups[i], i, name, &shape));
  }
  if (shape.decode.empty()) return Bad(name, "has no shape group of one row, to decode with");
  std::sort(shape.decode.begin(), shape.decode.end(),
            [](const StepGroup& a, const StepGroup& b) { return a.usable_rows < b.usable_rows; });
  std::sort(shape.prefill.begin(), shape.prefill.end(),
            [](const StepGroup& a, const StepGroup& b) { return a.usable_rows < b.usable_rows; });
  for (const StepGroup& group : shape.prefill) {
    if (group.rows != shape.chunk()) {
      return Bad(name,
                 fmt::format("has prefill groups of {} and of {} rows", shape.chunk(), group.rows));
    }
  }
  return shape;
}

Status CheckSameShape(const LayerShape& first, const LayerShape& other, std::string_view name) {
  const auto check = [&](std::string_view what, uint32_t a, uint32_t b) -> Status {
    if (a == b) return {};
    return Bad(name, fmt::format("its {} is {}, the first layer's {}: the files belong to "
                                 "different models",
                                 what, b, a));
  };
  AX_RETURN_IF_ERROR(check("hidden size", first.hidden, other.hidden));
  AX_RETURN_IF_ERROR(check("K/V width", first.kv_width, other.kv_width));
  AX_RETURN_IF_ERROR(check("number of K/V rows", first.kv_rows(), other.kv_rows()));
  AX_RETURN_IF_ERROR(check("chunk", first.chunk(), other.chunk()));
  if (first.decode != other.decode || first.prefill != other.prefill ||
      first.index_planes != other.index_planes || first.tensors != other.tensors) {
    return Bad(name,
               "its shape groups are not those of the first layer: the files belong to "
               "different models");
  }
  return {};
}

Result<PostShape> ReadPostShape(const std::vector<GroupInfo>& groups, std::string_view name) {
  if (groups.empty()) return Bad(name, "has no shape group");
  const GroupInfo& group = groups[0];
  PostShape shape;
  if (group.inputs.size() != 1) {
    return Bad(name,
               fmt::format("a post model has one input, this one has {}", Names(group.inputs)));
  }
  AX_ASSIGN_OR_RETURN(const Matrix input, ReadMatrix(group.inputs[0], name));
  AX_ASSIGN_OR_RETURN(shape.output, FindRole(group.outputs, false, Role::kOutput, "output", name));
  const TensorInfo& logits = group.outputs[shape.output];
  if (input.rows != 1) return Bad(name, fmt::format("takes {} rows, not one", input.rows));
  shape.hidden = input.cols;
  const uint64_t width =
      logits.dims.empty() || logits.dims.back() < 1 ? 0 : static_cast<uint64_t>(logits.dims.back());
  if (logits.size_bytes == width * 2) shape.logit_bytes = 2;
  if (logits.size_bytes == width * 4) shape.logit_bytes = 4;
  if (width == 0 || width > kMaxWidth || shape.logit_bytes == 0) {
    return Bad(name, fmt::format("its output has {} bytes for {} values: neither bf16 nor float "
                                 "logits of one row",
                                 logits.size_bytes, width));
  }
  shape.width = static_cast<uint32_t>(width);
  return shape;
}

const StepGroup* ChooseGroup(const std::vector<StepGroup>& groups, uint32_t history) {
  for (const StepGroup& group : groups) {
    if (group.usable_rows >= history) return &group;
  }
  return nullptr;
}

}  // namespace axollama::npu
