// What a model's tensors say about its sizes: groups, ladder, widths.
//
// Tensors are found by name through one table of aliases; sizes are taken from dims and believed
// only when the bytes agree, dtypes are not (the vendor's library reports NONE for several).
// Source: facts on layer files (per layer, `pulsar2 llm_build`).
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "device/device.h"

namespace axollama::npu {

inline constexpr uint64_t kElementBytes = 2;  // of hidden states, masks and caches: bf16

// What a tensor is for, by its name; nullopt: unknown.
enum class Role { kKCache, kVCache, kIndices, kInput, kMask, kKOut, kVOut, kOutput };
std::optional<Role> RoleOf(std::string_view name, bool input);

// Bindings inside of a buffer are read right by the card at multiples of this; others were seen not
// to be.
inline constexpr uint64_t kBindAlignment = 2048;

// One shape group of a layer. Decode groups have one row, prefill groups `rows` = the chunk.
struct StepGroup {
  uint32_t index = 0;         // the device's group number
  uint32_t rows = 0;          // of input, K_cache_out, V_cache_out, output
  uint32_t history_rows = 0;  // of K_cache and V_cache; the mask has history_rows + rows columns
  uint32_t usable_rows = 0;   // history it can really take: a history of 0 is shown as 1 row
  bool operator==(const StepGroup&) const = default;
};

// Positions of tensors in a layer's inputs and outputs.
struct LayerTensors {
  uint32_t k_cache = 0, v_cache = 0, indices = 0, input = 0, mask = 0;
  uint32_t k_out = 0, v_out = 0, output = 0;
  bool operator==(const LayerTensors&) const = default;
};

// Widths in elements; all tensors but `indices` (uint32) hold 2-byte elements.
struct LayerShape {
  LayerTensors tensors;
  uint32_t hidden = 0;             // H
  uint32_t kv_width = 0;           // D = kv heads * head_dim
  uint32_t index_planes = 1;       // rows of `indices`: 1, or 3 for mRoPE
  std::vector<StepGroup> decode;   // by history_rows, ascending; never empty
  std::vector<StepGroup> prefill;  // by usable_rows, ascending; may be empty

  uint32_t kv_rows() const { return decode.back().history_rows; }  // S
  uint32_t chunk() const { return prefill.empty() ? 1 : prefill.front().rows; }
  uint32_t cache_rows() const;  // rows that a cache buffer needs: of the largest group
  uint64_t mask_bytes() const;  // of the largest mask
};

// `name` is the file's, for errors (kInvalid).
Result<LayerShape> ReadLayerShape(const std::vector<device::GroupInfo>& groups,
                                  std::string_view name);

// kInvalid unless every layer has the sizes of the first.
Status CheckSameShape(const LayerShape& first, const LayerShape& other, std::string_view name);

struct PostShape {
  uint32_t input = 0;   // index of the input tensor
  uint32_t output = 0;  // index of the logits; other outputs are bound to scratch memory
  uint32_t hidden = 0;
  uint32_t width = 0;        // of the output: see Network
  uint32_t logit_bytes = 0;  // 2: bf16, 4: float
};
Result<PostShape> ReadPostShape(const std::vector<device::GroupInfo>& groups,
                                std::string_view name);

// The smallest group that takes `history` rows, or nullptr.
const StepGroup* ChooseGroup(const std::vector<StepGroup>& groups, uint32_t history);

}  // namespace axollama::npu
