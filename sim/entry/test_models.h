// For tests of the exported libraries: small model files whose results can be told in advance.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "base/bf16.h"
#include "sim/container/axmodel.h"

namespace axsim::entry {

using Bf16s = std::vector<uint16_t>;

inline Bf16s ToBf16(const std::vector<float>& values) {
  Bf16s out;
  for (const float value : values) out.push_back(axollama::FloatToBf16(value));
  return out;
}
inline std::vector<float> ToFloats(const Bf16s& values) {
  std::vector<float> out;
  for (const uint16_t value : values) out.push_back(axollama::Bf16ToFloat(value));
  return out;
}

// A post model: logits[r] = (r + 1) * sum of the normalised row.
inline void WritePostModel(const std::filesystem::path& path, uint32_t hidden, uint32_t vocab) {
  spec::Program program;
  program.kind = spec::Kind::kPost;
  program.weights = spec::WeightType::kBf16;
  program.hidden = hidden;
  program.vocab = vocab;
  auto writer = container::Writer::Create(path, program, container::PostGroups(program));
  ASSERT_TRUE(writer) << writer.error().message;
  const std::vector<float> norm(hidden, 1.0f);
  ASSERT_TRUE(
      writer->Add("norm", container::DataType::kFp32, {hidden}, std::as_bytes(std::span(norm))));
  Bf16s head;
  for (uint32_t row = 0; row < vocab; ++row) {
    head.insert(head.end(), hidden, axollama::FloatToBf16(static_cast<float>(row + 1)));
  }
  ASSERT_TRUE(writer->Add("head", container::DataType::kBf16, {vocab, hidden},
                          std::as_bytes(std::span(head))));
  const auto finished = writer->Finish();
  ASSERT_TRUE(finished) << finished.error().message;
}

// Sizes of the layer model below.
constexpr uint32_t kHidden = 32;
constexpr uint32_t kHeadDim = 16;  // one KV head
constexpr uint32_t kRows = 7;      // KV rows of the decode group
constexpr uint32_t kChunk = 4;

// A layer whose branches add nothing (o and down are zero): output = input, and V_cache_out[d] =
// the d-th value of the normalised row.
inline void WriteLayerModel(const std::filesystem::path& path) {
  spec::Program program;
  program.weights = spec::WeightType::kBf16;
  program.hidden = kHidden;
  program.heads = 2;
  program.kv_heads = 1;
  program.head_dim = kHeadDim;
  program.ffn = kHidden;
  program.context = kRows + 1;
  program.rope_dims = kHeadDim;
  program.attention_scale = 0.25f;
  auto writer = container::Writer::Create(
      path, program, container::LayerGroups(program, kRows, kChunk, {0, kChunk}));
  ASSERT_TRUE(writer) << writer.error().message;
  const std::vector<float> norm(kHidden, 1.0f);
  for (const char* name : {"attn_norm", "ffn_norm"}) {
    ASSERT_TRUE(
        writer->Add(name, container::DataType::kFp32, {kHidden}, std::as_bytes(std::span(norm))));
  }
  const auto add = [&writer](const char* name, uint32_t rows, bool identity) {
    Bf16s matrix(size_t{rows} * kHidden, 0);
    for (uint32_t i = 0; identity && i < rows; ++i) {
      matrix[size_t{i} * kHidden + i] = axollama::FloatToBf16(1.0f);
    }
    const auto added = writer->Add(name, container::DataType::kBf16, {rows, kHidden},
                                   std::as_bytes(std::span(matrix)));
    ASSERT_TRUE(added) << added.error().message;
  };
  add("q", 2 * kHeadDim, true);
  add("k", kHeadDim, true);
  add("v", kHeadDim, true);
  add("o", kHidden, false);
  add("gate", kHidden, true);
  add("up", kHidden, true);
  add("down", kHidden, false);
  const auto finished = writer->Finish();
  ASSERT_TRUE(finished) << finished.error().message;
}

}  // namespace axsim::entry
