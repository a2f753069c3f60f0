// Tests only: the small model of the fake device, its sizes and its rule.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "base/bf16.h"
#include "device/device.h"

namespace axollama::npu {

struct FakeSizes {
  uint32_t layers = 3, hidden = 6, kv_width = 4, kv_rows = 31, chunk = 4, vocab = 11;
  uint32_t index_planes = 1;
  std::vector<uint32_t> ladder = {0, 4, 8, 16};
  std::vector<uint32_t> decode_rows = {31};  // of the decode groups
};

// One layer on one row: the rule both sides of the tests share. `k`, `v` hold the visible rows.
struct FakeRule {
  static float Round(float value) { return Bf16ToFloat(FloatToBf16(value)); }
  static void Rows(uint32_t layer, uint32_t position, const std::vector<float>& in,
                   std::vector<float>* k, std::vector<float>* v) {
    for (size_t d = 0; d < k->size(); ++d) {
      const float x = in[d % in.size()];
      (*k)[d] = Round(x * 0.5f + static_cast<float>(position) / 64.0f);
      (*v)[d] = Round(std::sin(x * (static_cast<float>(d) + 1) + static_cast<float>(layer)));
    }
  }
  static float Weight(uint32_t distance_rank, const std::vector<float>& k) {
    return 1.0f / (1.0f + static_cast<float>(distance_rank) + k[0] * k[0]);
  }
};

inline std::vector<device::GroupInfo> FakeLayerGroups(const FakeSizes& s) {
  using device::DataType;
  const auto tensor = [](const char* name, DataType type, std::vector<int32_t> dims) {
    uint64_t bytes = type == DataType::kUint32 ? 4 : 2;
    for (const int32_t dim : dims) bytes *= static_cast<uint64_t>(dim);
    return device::TensorInfo{name, type, std::move(dims), bytes};
  };
  const auto group = [&](uint32_t rows_, uint32_t history_) {
    const auto rows = static_cast<int32_t>(rows_), history = static_cast<int32_t>(history_);
    const auto h = static_cast<int32_t>(s.hidden), d = static_cast<int32_t>(s.kv_width);
    const auto planes = static_cast<int32_t>(s.index_planes);
    // NONE, as the vendor's library says of several types.
    return device::GroupInfo{{tensor("K_cache", DataType::kBf16, {1, history, d}),
                              tensor("V_cache", DataType::kNone, {1, history, d}),
                              tensor("indices", DataType::kUint32, {planes, rows}),
                              tensor("input", DataType::kBf16, {1, rows, h}),
                              tensor("mask", DataType::kBf16, {1, rows, history + rows})},
                             {tensor("K_cache_out", DataType::kBf16, {1, rows, d}),
                              tensor("V_cache_out", DataType::kBf16, {1, rows, d}),
                              tensor("output", DataType::kBf16, {1, rows, h})}};
  };
  std::vector<device::GroupInfo> groups;
  for (const uint32_t rows : s.decode_rows) groups.push_back(group(1, rows));
  for (const uint32_t history : s.ladder) groups.push_back(group(s.chunk, history ? history : 1));
  return groups;
}

inline std::vector<device::GroupInfo> FakePostGroups(const FakeSizes& s) {
  const auto h = static_cast<int32_t>(s.hidden), v = static_cast<int32_t>(s.vocab);
  return {{{{"input", device::DataType::kBf16, {1, 1, h}, s.hidden * 2ull}},
           {{"output", device::DataType::kBf16, {1, 1, v}, s.vocab * 2ull},
            {"indices", device::DataType::kInt32, {1, 8}, 32}}}};
}

}  // namespace axollama::npu
