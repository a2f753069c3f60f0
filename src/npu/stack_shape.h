// What the tensors of a whole-stack file say (bundles of the split and single layouts, design 5).
//
// Each layer of a stack is looked at as if it were a file of its own (shapes.h): its caches and
// their new rows with the tensors that all layers share. So the same checks hold for all layouts.
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "device/device.h"
#include "npu/shapes.h"

namespace axollama::npu {

// Positions of tensors in the inputs and outputs of one stack file; the same in all its groups.
struct StackTensors {
  struct Caches {
    uint32_t k_cache = 0, v_cache = 0, k_out = 0, v_out = 0;
  };
  uint32_t input = 0, indices = 0, mask = 0, logits = 0;
  std::vector<Caches> layers;
};

struct StackShape {
  // Sizes and groups of every layer. Groups are numbered through both files: those of the second
  // follow those of the first.
  LayerShape layer;
  std::vector<StackTensors> files;    // one, or of the split layout two
  std::vector<uint32_t> file_groups;  // how many each has
  uint32_t width = 0;                 // of a row of logits: see Network
  uint32_t logit_bytes = 0;           // 2: bf16, 4: float

  uint32_t layers() const { return static_cast<uint32_t>(files.front().layers.size()); }
  // Where a group is: its file, and its number there.
  struct Place {
    size_t file = 0;
    uint32_t group = 0;
  };
  Place PlaceOf(const StepGroup& group) const {
    if (group.index < file_groups[0]) return {0, group.index};
    return {1, group.index - file_groups[0]};
  }
};

struct NamedGroups {
  const std::vector<device::GroupInfo>& groups;
  std::string_view name;  // of the file, for errors (kInvalid)
};

// Of one file, or of decode and prefill.
Result<StackShape> ReadStackShape(const std::vector<NamedGroups>& files);

}  // namespace axollama::npu
