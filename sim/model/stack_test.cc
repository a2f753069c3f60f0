// A stack gives the bits of its layers and post model run one after the other.
#include "sim/model/stack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>

#include "sim/container/axmodel.h"
#include "sim/model/layer_fixture.h"

extern std::atomic<size_t> allocations;  // allocations_test.cc

namespace axsim::model {
namespace {

using testing::HasSubstr;

constexpr uint32_t kChunk = 8, kHidden = 40, kWidth = 32, kRows = 63, kVocab = 77;
constexpr uint32_t kHistories[] = {1, 8, 16, 24, 32};

// Three layers that differ from each other, and a post model.
struct Parts {
  std::deque<HandMade> layers;  // they do not move: their descriptions point into them
  HandMade post;
  HandMade stack;

  explicit Parts(spec::WeightType weights) {
    std::vector<spec::Program> programs(3, SmallProgram(weights));
    programs[0].sliding_window = 9;
    programs[1].qk_norm = programs[1].post_norms = true;
    programs[1].rope_theta = 1e6;
    programs[2].qkv_bias = true;
    programs[2].ffn = 136;
    for (uint32_t i = 0; i < 3; ++i) {
      layers.push_back(MakeLayer(programs[i], kChunk, {1, 8, 16, 24, 32}, i == 2, 11 + i));
    }
    spec::Program& p = post.model.program;
    p.kind = spec::Kind::kPost;
    p.weights = weights;
    p.hidden = kHidden;
    p.vocab = kVocab;
    p.logit_scale = 0.5f;
    post.AddFloats("norm", kHidden, 1.0f, 0.2f);
    post.AddMatrix("head", kVocab, kHidden);
    post.model.groups = container::PostGroups(p);

    spec::Program& all = stack.model.program;
    all.kind = spec::Kind::kStack;
    all.weights = weights;
    all.hidden = kHidden;
    for (const HandMade& layer : layers) all.parts.push_back(layer.model.program);
    all.parts.push_back(p);
    for (size_t i = 0; i < all.parts.size(); ++i) {
      const HandMade& part = i < layers.size() ? layers[i] : post;
      for (const auto& [name, weight] : part.model.weights) {
        stack.model.weights[spec::PartPrefix(all, i) + name] = weight;
      }
    }
    std::vector<container::StackStep> steps = {{kRows, 1}};
    for (const uint32_t history : kHistories) steps.push_back({history, kChunk});
    stack.model.groups = container::StackGroups(all, steps);
  }
};

template <typename T>
std::span<std::byte> Bytes(std::vector<T>& values, size_t first = 0) {
  return std::as_writable_bytes(std::span(values).subspan(first));
}

using Halves = std::vector<uint16_t>;

// Bindings of one step, and the caches of one model.
struct Sequence {
  std::vector<Halves> k, v;  // by layer [rows, width]
  Halves logits;             // [done, vocab]
  size_t done = 0;

  Sequence() : k(3, Halves((kRows + kChunk) * kWidth, kBf16Nan)), v(k) {}
  bool operator==(const Sequence&) const = default;

  // `run` gets the group, the step's inputs (rows, indices, mask), a place for K and V of each
  // layer and one for the logits.
  template <typename Run>
  void Step(const Halves& inputs, size_t count, Run&& run) {
    const uint32_t group =
        count == 1 ? 0
                   : static_cast<uint32_t>(std::lower_bound(kHistories, kHistories + 5, done) -
                                           kHistories) +
                         1;
    const size_t rows = group == 0 ? 1 : kChunk,
                 history = group == 0 ? kRows : kHistories[group - 1];
    Halves x(rows * kHidden, kBf16Nan), mask(rows * (history + rows), kMasked);
    std::vector<uint32_t> indices(rows, 0);
    std::copy_n(inputs.begin() + static_cast<ptrdiff_t>(done * kHidden), count * kHidden,
                x.begin());
    for (size_t r = 0; r < count; ++r) {
      auto row = mask.begin() + static_cast<ptrdiff_t>(r * (history + rows));
      std::fill_n(row, done, 0);
      std::fill_n(row + static_cast<ptrdiff_t>(history), r + 1, 0);
      indices[r] = static_cast<uint32_t>(done + r);
    }
    std::vector<Halves> k_out(3, Halves(rows * kWidth, 1)), v_out = k_out;
    Halves out(rows * kVocab, 1);
    run(group, x, indices, mask, k_out, v_out, out);
    for (size_t i = 0; i < 3; ++i) {
      std::copy_n(k_out[i].begin(), count * kWidth,
                  k[i].begin() + static_cast<ptrdiff_t>(done * kWidth));
      std::copy_n(v_out[i].begin(), count * kWidth,
                  v[i].begin() + static_cast<ptrdiff_t>(done * kWidth));
    }
    logits.insert(logits.end(), out.begin(), out.begin() + static_cast<ptrdiff_t>(count * kVocab));
    for (size_t i = count * kVocab; i < out.size(); ++i) EXPECT_EQ(out[i], 0);
    done += count;
  }
};

// Chunks of the given sizes, through a file per layer and the post model row by row.
Sequence PlayLayers(const Parts& parts, Executor& executor, const std::vector<size_t>& steps) {
  std::vector<std::unique_ptr<Model>> models;
  for (const HandMade& layer : parts.layers) models.push_back(*Assemble(layer.model));
  const auto post = *Assemble(parts.post.model);
  const Halves inputs = RandomInputs(60, kHidden);
  Sequence s;
  for (const size_t count : steps) {
    s.Step(inputs, count,
           [&](uint32_t group, Halves& x, auto& indices, Halves& mask, auto& k_out, auto& v_out,
               Halves& out) {
             for (size_t i = 0; i < 3; ++i) {
               Halves next(x.size());
               const std::span<std::byte> in[] = {Bytes(s.k[i]), Bytes(s.v[i]), Bytes(indices),
                                                  Bytes(x), Bytes(mask)};
               const std::span<std::byte> to[] = {Bytes(k_out[i]), Bytes(v_out[i]), Bytes(next)};
               ASSERT_TRUE(models[i]->Run(executor, group, in, to));
               x = next;
             }
             for (size_t r = 0; r < out.size() / kVocab; ++r) {
               if (r >= count)
                 std::fill(x.begin() + static_cast<ptrdiff_t>(r * kHidden), x.end(), 0);
               const std::span<std::byte> in[] = {Bytes(x, r * kHidden)};
               const std::span<std::byte> to[] = {Bytes(out, r * kVocab)};
               ASSERT_TRUE(post->Run(executor, 0, in, to));
             }
           });
  }
  return s;
}

Sequence PlayStack(const Parts& parts, Executor& executor, const std::vector<size_t>& steps) {
  auto model = Assemble(parts.stack.model);
  EXPECT_TRUE(model) << (model ? "" : model.error().message);
  const Halves inputs = RandomInputs(60, kHidden);
  Sequence s;
  for (const size_t count : steps) {
    s.Step(inputs, count,
           [&](uint32_t group, Halves& x, auto& indices, Halves& mask, auto& k_out, auto& v_out,
               Halves& out) {
             std::vector<std::span<std::byte>> in = {Bytes(x), Bytes(indices), Bytes(mask)};
             std::vector<std::span<std::byte>> to = {Bytes(out)};
             for (size_t i = 0; i < 3; ++i) {
               in.insert(in.end(), {Bytes(s.k[i]), Bytes(s.v[i])});
               to.insert(to.end(), {Bytes(k_out[i]), Bytes(v_out[i])});
             }
             const auto status = (*model)->Run(executor, group, in, to);
             EXPECT_TRUE(status) << (status ? "" : status.error().message);
             const size_t before = allocations;
             EXPECT_TRUE((*model)->Run(executor, group, in, to));
             EXPECT_EQ(allocations, before);
           });
  }
  return s;
}

TEST(Stack, HasTheBitsOfItsLayers) {
  for (const auto weights :
       {spec::WeightType::kS8, spec::WeightType::kBf16, spec::WeightType::kS4}) {
    const Parts parts(weights);
    const auto one = MakeExecutor(1, "scalar");
    const Sequence want = PlayLayers(parts, *one, {8, 8, 5, 1, 1, 7, 1});
    ASSERT_EQ(want.done, 31u);
    for (const uint32_t threads : {1u, 3u}) {
      const auto executor = MakeExecutor(threads);
      EXPECT_TRUE(PlayStack(parts, *executor, {8, 8, 5, 1, 1, 7, 1}) == want) << threads;
      EXPECT_TRUE(PlayStack(parts, *executor, std::vector<size_t>(31, 1)) == want) << threads;
    }
  }
}

TEST(Stack, RefusesWhatCannotRun) {
  const Parts parts(spec::WeightType::kS8);
  const auto refusal = [&](auto change) {
    container::Model model = parts.stack.model;
    change(model);
    const auto result = Assemble(std::move(model));
    return result ? "accepted" : result.error().message;
  };
  using M = container::Model;
  EXPECT_THAT(refusal([](M& m) { m.weights.erase("l1.q_norm"); }),
              HasSubstr("l1.q_norm is missing"));
  EXPECT_THAT(refusal([](M& m) { m.weights.erase("head"); }), HasSubstr("head is missing"));
  EXPECT_THAT(refusal([](M& m) { m.program.parts.clear(); }), HasSubstr("no layer"));
  EXPECT_THAT(refusal([](M& m) { m.program.parts[2].head_dim = 12; }), HasSubstr("head_dim"));
  EXPECT_THAT(refusal([](M& m) { m.program.parts[2].kv_heads = 1; }), HasSubstr("l2.k"));
  EXPECT_THAT(refusal([](M& m) { m.groups[1].inputs[5].dims[1] = 2; }), HasSubstr("k_cache_1"));
  EXPECT_THAT(refusal([](M& m) { m.groups[0].outputs[0].dims[2] = 3; }), HasSubstr("logits"));
  EXPECT_THAT(refusal([](M& m) { m.groups[0].inputs[2].name = "masque"; }), HasSubstr("mask"));

  const auto model = *Assemble(parts.stack.model);
  const auto executor = MakeExecutor();
  const auto wrong = model->Run(*executor, 6, {}, {});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("group 6"));
  EXPECT_FALSE(model->Run(*executor, 0, {}, {}));
}

}  // namespace
}  // namespace axsim::model
