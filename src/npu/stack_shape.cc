#include "npu/stack_shape.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

namespace axollama::npu {
namespace {

using device::GroupInfo;
using device::TensorInfo;

constexpr uint32_t kMaxLayers = 1024;
constexpr uint32_t kMaxWidth = 1u << 24;

tl::unexpected<Error> Bad(std::string_view file, std::string message) {
  return Fail(ErrorKind::kInvalid, fmt::format("{}: {}", file, message));
}

// "k_cache_12" is the layer's tensor "k_cache" of layer 12; a name without a number is shared.
struct SplitName {
  std::string base;
  std::optional<uint32_t> layer;
};
SplitName Split(std::string_view name) {
  const size_t at = name.find_last_of('_');
  uint32_t layer = 0;
  if (at != std::string_view::npos) {
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + at + 1, end, layer);
    if (error == std::errc{} && stop == end) return {std::string(name.substr(0, at)), layer};
  }
  return {std::string(name), std::nullopt};
}

bool IsCache(Role role) {
  return role == Role::kKCache || role == Role::kVCache || role == Role::kKOut ||
         role == Role::kVOut;
}

// Which role a tensor plays, and in which layer. Every tensor must have one, once.
struct Seat {
  Role role;
  std::optional<uint32_t> layer;
  bool operator==(const Seat&) const = default;
};
Result<std::vector<Seat>> ReadSeats(const std::vector<TensorInfo>& tensors, bool input,
                                    std::string_view file) {
  std::vector<Seat> seats;
  for (const TensorInfo& tensor : tensors) {
    const SplitName name = Split(tensor.name);
    const auto role = RoleOf(name.base, input);
    if (!role || IsCache(*role) != name.layer.has_value() || name.layer >= kMaxLayers) {
      return Bad(file, fmt::format("has an {} \"{}\", which is not supported yet",
                                   input ? "input" : "output", tensor.name));
    }
    const Seat seat{*role, name.layer};
    if (std::find(seats.begin(), seats.end(), seat) != seats.end()) {
      return Bad(file, fmt::format("has the tensor \"{}\" twice", tensor.name));
    }
    seats.push_back(seat);
  }
  return seats;
}

constexpr uint32_t kNowhere = UINT32_MAX;

// Where each tensor is.
StackTensors Place(const std::vector<Seat>& inputs, const std::vector<Seat>& outputs) {
  StackTensors t{kNowhere, kNowhere, kNowhere, kNowhere, {}};
  const auto place = [&](const Seat& seat, uint32_t at) {
    if (!seat.layer) {
      (seat.role == Role::kIndices ? t.indices
       : seat.role == Role::kMask  ? t.mask
       : seat.role == Role::kInput ? t.input
                                   : t.logits) = at;
      return;
    }
    if (*seat.layer >= t.layers.size()) {
      t.layers.resize(*seat.layer + 1, {kNowhere, kNowhere, kNowhere, kNowhere});
    }
    StackTensors::Caches& caches = t.layers[*seat.layer];
    (seat.role == Role::kKCache   ? caches.k_cache
     : seat.role == Role::kVCache ? caches.v_cache
     : seat.role == Role::kKOut   ? caches.k_out
                                  : caches.v_out) = at;
  };
  for (uint32_t i = 0; i < inputs.size(); ++i) place(inputs[i], i);
  for (uint32_t i = 0; i < outputs.size(); ++i) place(outputs[i], i);
  return t;
}

Status CheckComplete(const StackTensors& t, std::string_view file) {
  const auto check = [&](uint32_t at, const std::string& name) -> Status {
    if (at != kNowhere) return {};
    return Bad(file, fmt::format("has no tensor \"{}\": it does not hold a whole model", name));
  };
  AX_RETURN_IF_ERROR(check(t.input, "input_embeds"));
  AX_RETURN_IF_ERROR(check(t.indices, "indices"));
  AX_RETURN_IF_ERROR(check(t.mask, "mask"));
  AX_RETURN_IF_ERROR(check(t.logits, "logits"));
  for (size_t i = 0; i < t.layers.size(); ++i) {
    AX_RETURN_IF_ERROR(check(t.layers[i].k_cache, fmt::format("k_cache_{}", i)));
    AX_RETURN_IF_ERROR(check(t.layers[i].v_cache, fmt::format("v_cache_{}", i)));
    AX_RETURN_IF_ERROR(check(t.layers[i].k_out, fmt::format("k_cache_out_{}", i)));
    AX_RETURN_IF_ERROR(check(t.layers[i].v_out, fmt::format("v_cache_out_{}", i)));
  }
  return {};
}

Result<StackTensors> ReadTensors(const NamedGroups& file) {
  if (file.groups.empty()) return Bad(file.name, "has no shape group");
  std::vector<Seat> inputs, outputs;
  for (size_t g = 0; g < file.groups.size(); ++g) {
    AX_ASSIGN_OR_RETURN(auto in, ReadSeats(file.groups[g].inputs, true, file.name));
    AX_ASSIGN_OR_RETURN(auto out, ReadSeats(file.groups[g].outputs, false, file.name));
    if (g == 0) {
      inputs = std::move(in);
      outputs = std::move(out);
    } else if (in != inputs || out != outputs) {
      return Bad(file.name, fmt::format("shape group {} has other tensors than the first", g));
    }
  }
  StackTensors tensors = Place(inputs, outputs);
  if (tensors.layers.empty()) {
    return Bad(file.name,
               "has no inputs k_cache_0, k_cache_1, ...: it does not hold a whole model");
  }
  AX_RETURN_IF_ERROR(CheckComplete(tensors, file.name));
  return tensors;
}

// A group as that of one layer's own file. What the layer hands to the next stays inside a stack:
// it stands here as the file of a layer would have it.
GroupInfo LayerOf(const GroupInfo& group, const StackTensors& tensors, size_t layer) {
  GroupInfo out;
  const auto add = [](const std::vector<TensorInfo>& from, uint32_t at, const char* name,
                      std::vector<TensorInfo>* to) {
    to->push_back(from[at]);
    to->back().name = name;
  };
  const StackTensors::Caches& caches = tensors.layers[layer];
  add(group.inputs, caches.k_cache, "k_cache", &out.inputs);
  add(group.inputs, caches.v_cache, "v_cache", &out.inputs);
  add(group.inputs, tensors.indices, "indices", &out.inputs);
  add(group.inputs, tensors.input, "input_embeds", &out.inputs);
  add(group.inputs, tensors.mask, "mask", &out.inputs);
  add(group.outputs, caches.k_out, "k_cache_out", &out.outputs);
  add(group.outputs, caches.v_out, "v_cache_out", &out.outputs);
  add(group.inputs, tensors.input, "output", &out.outputs);
  return out;
}

Status ReadLogits(const NamedGroups& file, const StackTensors& tensors, StackShape* shape) {
  for (size_t g = 0; g < file.groups.size(); ++g) {
    const TensorInfo& logits = file.groups[g].outputs[tensors.logits];
    const std::vector<int32_t>& rows_dims = file.groups[g].inputs[tensors.input].dims;
    const uint64_t width = logits.dims.empty() || logits.dims.back() < 1
                               ? 0
                               : static_cast<uint64_t>(logits.dims.back());
    // ReadLayerShape has seen that these dims are [1, rows, hidden].
    const auto rows = static_cast<uint64_t>(rows_dims[rows_dims.size() - 2]);
    uint32_t element = 0;
    if (logits.size_bytes == rows * width * 2) element = 2;
    if (logits.size_bytes == rows * width * 4) element = 4;
    if (width == 0 || width > kMaxWidth || element == 0) {
      return Bad(file.name,
                 fmt::format("shape group {}: its logits have {} bytes for {} rows of {} values: "
                             "neither bf16 nor float",
                             g, logits.size_bytes, rows, width));
    }
    if (shape->width == 0) {
      shape->width = static_cast<uint32_t>(width);
      shape->logit_bytes = element;
    }
    if (shape->width != width || shape->logit_bytes != element) {
      return Bad(file.name, fmt::format("shape group {} has logits of {} values, another of {}, or "
                                        "of another type: the files belong to different models",
                                        g, width, shape->width));
    }
  }
  return {};
}

}  // namespace

Result<StackShape> ReadStackShape(const std::vector<NamedGroups>& files) {
  StackShape shape;
  for (const NamedGroups& file : files) {
    AX_ASSIGN_OR_RETURN(StackTensors tensors, ReadTensors(file));
    if (!shape.files.empty() && tensors.layers.size() != shape.layers()) {
      return Bad(file.name, fmt::format("has {} layers, {} has {}: they belong to different models",
                                        tensors.layers.size(), files[0].name, shape.layers()));
    }
    shape.files.push_back(std::move(tensors));
    shape.file_groups.push_back(static_cast<uint32_t>(file.groups.size()));
  }
  for (uint32_t i = 0; i < shape.layers(); ++i) {
    std::vector<GroupInfo> groups;
    for (size_t f = 0; f < files.size(); ++f) {
      for (const GroupInfo& group : files[f].groups) {
        groups.push_back(LayerOf(group, shape.files[f], i));
      }
    }
    const std::string name = fmt::format("{} (layer {})", files[0].name, i);
    AX_ASSIGN_OR_RETURN(const LayerShape layer, ReadLayerShape(groups, name));
    if (i == 0) shape.layer = layer;
    AX_RETURN_IF_ERROR(CheckSameShape(shape.layer, layer, name));
  }
  for (size_t f = 0; f < files.size(); ++f) {
    AX_RETURN_IF_ERROR(ReadLogits(files[f], shape.files[f], &shape));
  }
  return shape;
}

}  // namespace axollama::npu
