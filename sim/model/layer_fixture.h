// For the tests of this room: small random layers, and a card's memory around them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/bf16.h"
#include "sim/model/assemble.h"
#include "sim/model/model.h"

namespace axsim::model {

inline constexpr uint16_t kMasked = 0xC780;  // -65536
inline constexpr uint16_t kBf16Nan = 0x7fc0;

// A model filled by hand, with the storage of its weights. Values of matrices are kept as doubles
// too, for references.
struct HandMade {
  container::Model model;
  std::deque<std::vector<float>> floats;
  std::deque<std::vector<std::byte>> bytes;
  std::map<std::string, std::vector<double>> values;
  std::mt19937 random{7};

  float Normal(float spread) { return std::normal_distribution<float>(0, spread)(random); }

  void AddFloats(const std::string& name, size_t n, float mean, float spread) {
    std::vector<float> v(n);
    for (float& x : v) x = mean + Normal(spread);
    values[name].assign(v.begin(), v.end());
    floats.push_back(std::move(v));
    model.weights[name] = {container::DataType::kFp32,
                           {static_cast<int64_t>(n)},
                           std::as_bytes(std::span(floats.back()))};
  }

  void AddMatrix(const std::string& name, size_t rows, size_t cols) {
    if (model.program.weights == spec::WeightType::kS4) return AddS4(name, rows, cols);
    const bool s8 = model.program.weights == spec::WeightType::kS8;
    std::vector<double>& value = values[name];
    value.resize(rows * cols);
    std::vector<std::byte> raw(rows * cols * (s8 ? 1 : 2));
    if (s8) {
      AddFloats(name + ".scale", rows, 1.5f / 127.0f / std::sqrt(static_cast<float>(cols)), 1e-4f);
    }
    for (size_t i = 0; i < rows * cols; ++i) {
      if (s8) {
        const auto code = static_cast<int8_t>(std::clamp(Normal(60), -127.0f, 127.0f));
        std::memcpy(raw.data() + i, &code, 1);
        value[i] = code * values[name + ".scale"][i / cols];
      } else {
        const uint16_t bits =
            axollama::FloatToBf16(Normal(1.0f / std::sqrt(static_cast<float>(cols))));
        std::memcpy(raw.data() + 2 * i, &bits, 2);
        value[i] = axollama::Bf16ToFloat(bits);
      }
    }
    bytes.push_back(std::move(raw));
    model.weights[name] = {s8 ? container::DataType::kInt8 : container::DataType::kBf16,
                           {static_cast<int64_t>(rows), static_cast<int64_t>(cols)},
                           std::span<const std::byte>(bytes.back())};
  }

  void AddS4(const std::string& name, size_t rows, size_t cols) {
    const size_t spans = spec::S4Spans(cols);
    AddFloats(name + ".scale", rows, 0.025f / std::sqrt(static_cast<float>(cols)), 1e-4f);
    const auto add_bytes = [&](const std::string& of, size_t row_bytes) {
      std::vector<std::byte> raw(rows * row_bytes);
      for (std::byte& b : raw) b = static_cast<std::byte>(random());
      bytes.push_back(std::move(raw));
      model.weights[of] = {container::DataType::kUint8,
                           {static_cast<int64_t>(rows), static_cast<int64_t>(row_bytes)},
                           std::span<const std::byte>(bytes.back())};
      return bytes.back().data();
    };
    const std::byte* codes = add_bytes(name, spans * spec::kS4SpanBytes);
    const std::byte* factors = add_bytes(name + ".factor", spans);
    const auto half = [](std::byte b, bool high) {
      return high ? std::to_integer<int>(b) >> 4 : std::to_integer<int>(b) & 15;
    };
    std::vector<double>& value = values[name];
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < cols; ++c) {
        const size_t span = r * spans + c / 64;
        const bool high = c % 64 >= 32;
        const int code = half(codes[span * 32 + c % 32], high);
        value.push_back((code < 8 ? code : code - 16) * (half(factors[span], high) + 1) *
                        values[name + ".scale"][r]);
      }
    }
  }
};

inline spec::Program SmallProgram(spec::WeightType weights = spec::WeightType::kS8) {
  spec::Program p;
  p.weights = weights;
  p.hidden = 40;
  p.heads = 6;
  p.kv_heads = 2;
  p.head_dim = 16;
  p.ffn = 72;
  p.context = 64;
  p.rope_dims = 16;
  p.attention_scale = 0.25f;
  return p;
}

inline container::Tensor Bf16Tensor(std::string name, std::vector<int32_t> dims) {
  return {std::move(name), container::DataType::kBf16, std::move(dims)};
}

inline container::Group LayerGroup(const spec::Program& p, int32_t rows, int32_t history) {
  const auto width = static_cast<int32_t>(p.kv_heads * p.head_dim);
  const auto hidden = static_cast<int32_t>(p.hidden);
  return {{Bf16Tensor("K_cache", {1, history, width}),
           Bf16Tensor("V_cache", {1, history, width}),
           {"indices", container::DataType::kUint32, {1, rows}},
           Bf16Tensor("input", {1, rows, hidden}),
           Bf16Tensor("mask", {1, rows, history + rows})},
          {Bf16Tensor("K_cache_out", {1, rows, width}), Bf16Tensor("V_cache_out", {1, rows, width}),
           Bf16Tensor("output", {1, rows, hidden})}};
}

// Group 0 decodes over context - 1 rows; the others prefill `chunk` rows after ladder[i].
inline HandMade MakeLayer(const spec::Program& p, int32_t chunk = 8,
                          const std::vector<int32_t>& ladder = {1, 8, 16, 24, 32},
                          bool rope_factors = false, uint32_t seed = 7) {
  HandMade made;
  made.random.seed(seed);
  made.model.program = p;
  made.AddFloats("attn_norm", p.hidden, 1.0f, 0.2f);
  made.AddFloats("ffn_norm", p.hidden, 1.0f, 0.2f);
  const size_t q = p.heads * p.head_dim, kv = p.kv_heads * p.head_dim;
  made.AddMatrix("q", q, p.hidden);
  made.AddMatrix("k", kv, p.hidden);
  made.AddMatrix("v", kv, p.hidden);
  made.AddMatrix("o", p.hidden, q);
  made.AddMatrix("gate", p.ffn, p.hidden);
  made.AddMatrix("up", p.ffn, p.hidden);
  made.AddMatrix("down", p.hidden, p.ffn);
  if (p.qk_norm) {
    made.AddFloats("q_norm", p.head_dim, 1.0f, 0.2f);
    made.AddFloats("k_norm", p.head_dim, 1.0f, 0.2f);
  }
  if (p.qkv_bias) {
    made.AddFloats("q_bias", q, 0.0f, 0.5f);
    made.AddFloats("k_bias", kv, 0.0f, 0.5f);
    made.AddFloats("v_bias", kv, 0.0f, 0.5f);
  }
  if (p.post_norms) {
    made.AddFloats("attn_post_norm", p.hidden, 1.0f, 0.2f);
    made.AddFloats("ffn_post_norm", p.hidden, 1.0f, 0.2f);
  }
  if (rope_factors) made.AddFloats("rope_factors", p.rope_dims / 2, 4.0f, 0.5f);
  made.model.groups.push_back(LayerGroup(p, 1, static_cast<int32_t>(p.context) - 1));
  for (int32_t history : ladder) made.model.groups.push_back(LayerGroup(p, chunk, history));
  return made;
}

inline std::unique_ptr<Executor> MakeExecutor(uint32_t threads = 1, std::string isa = "auto") {
  auto executor = Executor::Create({.threads = threads, .isa = std::move(isa)});
  EXPECT_TRUE(executor.has_value());
  return std::move(*executor);
}

// What the vendor's clients do around one layer: caches, masks, chunks.
class Session {
 public:
  explicit Session(const Model& model, Executor& executor) : model_(model), executor_(executor) {
    const spec::Program& p = model.description().program;
    hidden_ = p.hidden;
    width_ = p.kv_heads * p.head_dim;
    rows_ = p.context - 1;
    k.assign((rows_ + 128) * width_, kBf16Nan);  // what no one wrote must not be read
    v = k;
  }

  // One token at position `done`, its K and V written into the cache by the layer itself.
  void Decode(const uint16_t* input) {
    std::vector<uint16_t> mask(rows_ + 1, kMasked);
    std::fill_n(mask.begin(), done, 0);
    mask[rows_] = 0;
    uint32_t index = static_cast<uint32_t>(done);
    std::vector<uint16_t> output(hidden_);
    Run(0, &index, input, mask, k.data() + done * width_, v.data() + done * width_, output);
    outputs.insert(outputs.end(), output.begin(), output.end());
    ++done;
  }

  // `count` <= C tokens through the group with the smallest sufficient history.
  void Prefill(const uint16_t* input, size_t count) {
    const auto& groups = model_.description().groups;
    uint32_t group = 1;
    auto history = [&](uint32_t g) { return static_cast<size_t>(groups[g].inputs[0].dims[1]); };
    while (history(group) < done) ++group;
    const auto chunk = static_cast<size_t>(groups[group].inputs[3].dims[1]);
    const size_t total = history(group) + chunk;
    std::vector<uint16_t> mask(chunk * total, kMasked), rows(chunk * hidden_, kBf16Nan);
    std::vector<uint32_t> indices(chunk, 0);
    std::copy_n(input, count * hidden_, rows.begin());
    for (size_t r = 0; r < count; ++r) {
      std::fill_n(mask.begin() + r * total, done, 0);
      std::fill_n(mask.begin() + r * total + history(group), r + 1, 0);
      indices[r] = static_cast<uint32_t>(done + r);
    }
    std::vector<uint16_t> k_out(chunk * width_, 1), v_out = k_out, output(chunk * hidden_, 1);
    Run(group, indices.data(), rows.data(), mask, k_out.data(), v_out.data(), output);
    std::copy_n(k_out.begin(), count * width_, k.begin() + done * width_);
    std::copy_n(v_out.begin(), count * width_, v.begin() + done * width_);
    outputs.insert(outputs.end(), output.begin(), output.begin() + count * hidden_);
    for (size_t i = count * hidden_; i < output.size(); ++i) EXPECT_EQ(output[i], 0);
    for (size_t i = count * width_; i < k_out.size(); ++i) EXPECT_EQ(k_out[i] | v_out[i], 0);
    done += count;
  }

  void Run(uint32_t group, uint32_t* indices, const uint16_t* input, std::vector<uint16_t>& mask,
           uint16_t* k_out, uint16_t* v_out, std::vector<uint16_t>& output) {
    const container::Group& g = model_.description().groups[group];
    const size_t chunk = static_cast<size_t>(g.inputs[3].dims[1]);
    const size_t cache = static_cast<size_t>(g.inputs[0].dims[1]) * width_ * 2;
    auto span = [](const void* p, size_t n) {
      return std::span(const_cast<std::byte*>(static_cast<const std::byte*>(p)), n);
    };
    const std::span<std::byte> in[] = {span(k.data(), cache), span(v.data(), cache),
                                       span(indices, chunk * 4), span(input, chunk * hidden_ * 2),
                                       span(mask.data(), mask.size() * 2)};
    const std::span<std::byte> out[] = {span(k_out, chunk * width_ * 2),
                                        span(v_out, chunk * width_ * 2),
                                        span(output.data(), output.size() * 2)};
    const auto status = model_.Run(executor_, group, in, out);
    EXPECT_TRUE(status.has_value()) << (status ? "" : status.error().message);
  }

  std::vector<uint16_t> k, v;     // [rows, width]
  std::vector<uint16_t> outputs;  // [done, hidden]
  size_t done = 0;

 private:
  const Model& model_;
  Executor& executor_;
  size_t hidden_, width_, rows_;
};

inline std::vector<uint16_t> RandomInputs(size_t tokens, size_t hidden, uint32_t seed = 3) {
  std::mt19937 random(seed);
  std::vector<uint16_t> v(tokens * hidden);
  for (uint16_t& x : v) x = axollama::FloatToBf16(std::normal_distribution<float>(0, 1)(random));
  return v;
}

}  // namespace axsim::model
