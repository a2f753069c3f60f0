// Tests only: the small model of the fake device, its sizes and its rule.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
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

// A file of all layers and the head: decode groups, prefill groups, or both.
inline std::vector<device::GroupInfo> FakeStackGroups(const FakeSizes& s, bool decode,
                                                      bool prefill) {
  const auto named = [](device::TensorInfo tensor, std::string name) {
    tensor.name = std::move(name);
    return tensor;
  };
  std::vector<device::GroupInfo> groups;
  for (const device::GroupInfo& one : FakeLayerGroups(s)) {
    const int32_t rows = one.inputs[3].dims[1];
    if (!(rows == 1 ? decode : prefill)) continue;
    const auto vocab = static_cast<int32_t>(s.vocab);
    const uint64_t logit_bytes = uint64_t{2} * s.vocab * static_cast<uint32_t>(rows);
    device::GroupInfo group{{named(one.inputs[3], "input_embeds"), one.inputs[2], one.inputs[4]},
                            {{"logits", device::DataType::kBf16, {1, rows, vocab}, logit_bytes}}};
    for (uint32_t i = 0; i < s.layers; ++i) {
      const std::string end = "_" + std::to_string(i);
      group.inputs.push_back(named(one.inputs[0], "k_cache" + end));
      group.inputs.push_back(named(one.inputs[1], "v_cache" + end));
      group.outputs.push_back(named(one.outputs[0], "k_cache_out" + end));
      group.outputs.push_back(named(one.outputs[1], "v_cache_out" + end));
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

// What a layer reads and writes for one group.
struct FakeLayerIo {
  size_t rows, history, width, hidden, planes;
  const uint16_t *k, *v, *in, *mask;
  const uint32_t* indices;
  uint16_t *k_out, *v_out, *out;
};

inline void RunFakeLayer(uint32_t layer, const FakeLayerIo& io,
                         const std::function<void(std::string)>& fault) {
  std::vector<float> x(io.hidden), k_row(io.width), v_row(io.width);
  for (size_t r = 0; r < io.rows; ++r) {
    for (size_t p = 1; p < io.planes; ++p) {
      if (io.indices[p * io.rows + r] != io.indices[r]) fault("index planes differ");
    }
    for (size_t i = 0; i < io.hidden; ++i) x[i] = Bf16ToFloat(io.in[r * io.hidden + i]);
    FakeRule::Rows(layer, io.indices[r], x, &k_row, &v_row);
    for (size_t d = 0; d < io.width; ++d) {
      io.k_out[r * io.width + d] = FloatToBf16(k_row[d]);
      io.v_out[r * io.width + d] = FloatToBf16(v_row[d]);
    }
  }
  for (size_t r = 0; r < io.rows; ++r) {
    const uint16_t* row_mask = io.mask + r * (io.history + io.rows);
    std::vector<float> sum(io.width, 0.0f);
    uint32_t rank = 0;
    for (size_t c = 0; c < io.history + io.rows; ++c) {
      const bool old = c < io.history;
      const uint16_t* key = old ? io.k + c * io.width : io.k_out + (c - io.history) * io.width;
      const uint16_t* value = old ? io.v + c * io.width : io.v_out + (c - io.history) * io.width;
      if (row_mask[c] != 0 && row_mask[c] != 0xC780) fault("a mask entry is neither");
      for (size_t d = 0; d < io.width; ++d) {
        k_row[d] = Bf16ToFloat(key[d]);
        v_row[d] = Bf16ToFloat(value[d]);
        // A NaN passes through an additive mask.
        if (std::isnan(k_row[d]) || std::isnan(v_row[d])) fault("NaN in the cache");
      }
      if (row_mask[c] != 0) continue;
      const float weight = FakeRule::Weight(rank++, k_row);
      for (size_t d = 0; d < io.width; ++d) sum[d] += weight * v_row[d];
    }
    for (size_t i = 0; i < io.hidden; ++i) {
      const size_t at = r * io.hidden + i;
      io.out[at] = FloatToBf16(0.5f * Bf16ToFloat(io.in[at]) + sum[i % io.width]);
    }
  }
}

inline void RunFakePost(const uint16_t* in, size_t hidden, uint16_t* out, size_t vocab) {
  for (size_t t = 0; t < vocab; ++t) {
    float sum = 0;
    for (size_t i = 0; i < hidden; ++i) {
      sum += Bf16ToFloat(in[i]) * std::cos(static_cast<float>(t * 7 + i * 3));
    }
    out[t] = FloatToBf16(sum);
  }
}

}  // namespace axollama::npu
