// Tests only: a model of the fake device, its files, and what its logits must be.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "npu/fake_device.h"
#include "npu/model.h"

namespace axollama::npu {

class FakeTable final : public bundle::EmbeddingTable {
 public:
  FakeTable(uint32_t tokens, uint32_t width) : tokens_(tokens), width_(width) {}
  uint32_t tokens() const override { return tokens_; }
  uint32_t width() const override { return width_; }
  Status Row(int32_t token, std::span<uint16_t> out) const override {
    if (token < 0 || static_cast<uint32_t>(token) >= tokens_) {
      return Fail(ErrorKind::kInvalid, "token out of range");
    }
    for (uint32_t i = 0; i < width_; ++i) out[i] = FloatToBf16(Value(token, i));
    return {};
  }
  static float Value(int32_t token, uint32_t i) {
    return std::sin(static_cast<float>(token * 5 + static_cast<int32_t>(i)));
  }

 private:
  uint32_t tokens_, width_;
};

// The model of FakeDevice, written plainly: logits after each of `tokens`.
inline std::vector<std::vector<float>> Reference(const FakeSizes& s,
                                                 const std::vector<int32_t>& tokens) {
  std::vector<std::vector<std::vector<float>>> k(s.layers), v(s.layers);
  std::vector<std::vector<float>> all;
  for (uint32_t position = 0; position < tokens.size(); ++position) {
    std::vector<float> x(s.hidden);
    for (uint32_t i = 0; i < s.hidden; ++i) {
      x[i] = FakeRule::Round(FakeTable::Value(tokens[position], i));
    }
    for (uint32_t layer = 0; layer < s.layers; ++layer) {
      std::vector<float> k_row(s.kv_width), v_row(s.kv_width), sum(s.kv_width, 0.0f);
      FakeRule::Rows(layer, position, x, &k_row, &v_row);
      k[layer].push_back(k_row);
      v[layer].push_back(v_row);
      for (uint32_t p = 0; p <= position; ++p) {
        const float weight = FakeRule::Weight(p, k[layer][p]);
        for (uint32_t d = 0; d < s.kv_width; ++d) sum[d] += weight * v[layer][p][d];
      }
      for (uint32_t i = 0; i < s.hidden; ++i) {
        x[i] = FakeRule::Round(0.5f * x[i] + sum[i % s.kv_width]);
      }
    }
    std::vector<float> logits(s.vocab);
    for (uint32_t t = 0; t < s.vocab; ++t) {
      float dot = 0;
      for (uint32_t i = 0; i < s.hidden; ++i) {
        dot += x[i] * std::cos(static_cast<float>(t * 7 + i * 3));
      }
      logits[t] = FakeRule::Round(dot);
    }
    all.push_back(std::move(logits));
  }
  return all;
}

class ModelTest : public ::testing::Test {
 protected:
  explicit ModelTest(FakeSizes sizes = {}) : sizes_(std::move(sizes)), device_(sizes_) {}
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ax-npu-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    bundle_.folder = folder_;
    bundle_.simulator = true;
    bundle_.chunk_tokens = sizes_.chunk;
    for (uint32_t i = 0; i < sizes_.layers; ++i) {
      bundle_.layers.push_back(File("l" + std::to_string(i), 1000));
    }
    bundle_.post = File("post", 3000);
    bundle_.embedding = std::make_shared<FakeTable>(sizes_.vocab, sizes_.hidden);
    tokens_.resize(sizes_.kv_rows + 1);
    for (size_t i = 0; i < tokens_.size(); ++i) {
      tokens_[i] = static_cast<int32_t>(i * i * 3 + 1) % static_cast<int32_t>(sizes_.vocab);
    }
    reference_ = Reference(sizes_, tokens_);
  }
  void TearDown() override {
    std::filesystem::remove_all(folder_);
    EXPECT_THAT(device_.faults, ::testing::IsEmpty());
    EXPECT_EQ(device_.live_allocations(), 0u);
    EXPECT_EQ(device_.live_models(), 0u);
    EXPECT_EQ(device_.live_ios(), 0u);
  }

  std::filesystem::path File(const std::string& name, size_t size_bytes) {
    std::ofstream(folder_ / name) << std::string(size_bytes, 'x');
    return folder_ / name;
  }
  std::unique_ptr<Model> Loaded(const LoadOptions& options = {}) {
    auto model = Model::Load(device_, bundle_, options);
    EXPECT_TRUE(model) << model.error().message;
    return model ? std::move(*model) : nullptr;
  }
  Error LoadError(const LoadOptions& options = {}) {
    auto model = Model::Load(device_, bundle_, options);
    return model ? Error{ErrorKind::kInternal, "(loaded)"} : model.error();
  }
  std::span<const int32_t> Tokens(size_t from, size_t to) const {
    return std::span(tokens_).subspan(from, to - from);
  }
  void ExpectLogitsOf(const Model& model, size_t position) {
    std::vector<float> logits(model.logits().size());
    model.logits().Read(0, logits);
    EXPECT_EQ(logits, reference_[position]) << "after position " << position;
  }

  FakeSizes sizes_;
  FakeDevice device_;
  std::filesystem::path folder_;
  bundle::Bundle bundle_;
  std::vector<int32_t> tokens_;
  std::vector<std::vector<float>> reference_;
};

}  // namespace axollama::npu
