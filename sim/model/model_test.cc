// The post model, the executor, the pool, and what is refused.
#include "sim/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cmath>

#include "sim/model/layer_fixture.h"
#include "sim/model/phase.h"
#include "sim/model/pool.h"
#include "sim/model/rope.h"

namespace axsim::model {
namespace {

using testing::HasSubstr;

HandMade MakePost(spec::WeightType weights, uint32_t vocab = 333) {
  HandMade made;
  spec::Program& p = made.model.program;
  p.kind = spec::Kind::kPost;
  p.weights = weights;
  p.hidden = 56;
  p.vocab = vocab;
  p.logit_scale = 0.5f;
  made.AddFloats("norm", p.hidden, 1.0f, 0.2f);
  made.AddMatrix("head", p.vocab, p.hidden);
  made.model.groups.push_back({{Bf16Tensor("input", {1, 1, 56})},
                               {Bf16Tensor("output", {1, 1, static_cast<int32_t>(vocab)})}});
  return made;
}

std::vector<uint16_t> Logits(const Model& model, Executor& executor, std::vector<uint16_t> input) {
  std::vector<uint16_t> output(model.description().program.vocab);
  const std::span<std::byte> in[] = {std::as_writable_bytes(std::span(input))};
  const std::span<std::byte> out[] = {std::as_writable_bytes(std::span(output))};
  EXPECT_TRUE(model.Run(executor, 0, in, out).has_value());
  return output;
}

TEST(Post, MatchesReferenceOnAnyThreadsAndIsa) {
  for (const auto weights : {spec::WeightType::kS8, spec::WeightType::kBf16}) {
    const HandMade made = MakePost(weights);
    auto model = Assemble(made.model);
    ASSERT_TRUE(model.has_value()) << model.error().message;
    const auto executor = MakeExecutor(1, "scalar");
    const std::vector<uint16_t> input = RandomInputs(1, 56);
    const std::vector<uint16_t> logits = Logits(**model, *executor, input);
    double sum = 0;
    for (uint16_t x : input) sum += std::pow(axollama::Bf16ToFloat(x), 2);
    const double inverse = 1 / std::sqrt(sum / 56 + 1e-5);
    for (size_t r = 0; r < logits.size(); ++r) {
      double want = 0;
      for (size_t i = 0; i < 56; ++i) {
        want += axollama::Bf16ToFloat(input[i]) * inverse * made.values.at("norm")[i] *
                made.values.at("head")[r * 56 + i] * 0.5;
      }
      EXPECT_NEAR(axollama::Bf16ToFloat(logits[r]), want, std::abs(want) / 256 + 1e-3);
    }
    for (const uint32_t threads : {1u, 2u, 4u}) {
      EXPECT_EQ(Logits(**model, *MakeExecutor(threads), input), logits);
    }
  }
}

TEST(Post, WithoutAHeadGivesTheNormedHiddenState) {
  HandMade made;
  spec::Program& p = made.model.program;
  p.kind = spec::Kind::kPost;
  p.hidden = 56;
  p.embedding = true;
  made.AddFloats("norm", p.hidden, 1.0f, 0.2f);
  made.model.groups = container::PostGroups(p);
  EXPECT_EQ(made.model.groups[0].outputs[0].dims, (std::vector<int32_t>{1, 1, 56}));
  auto model = Assemble(made.model);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  std::vector<uint16_t> input = RandomInputs(1, 56);
  std::vector<uint16_t> output(56);
  const std::span<std::byte> in[] = {std::as_writable_bytes(std::span(input))};
  const std::span<std::byte> out[] = {std::as_writable_bytes(std::span(output))};
  ASSERT_TRUE((*model)->Run(*MakeExecutor(2), 0, in, out).has_value());
  double sum = 0;
  for (const uint16_t x : input) sum += std::pow(axollama::Bf16ToFloat(x), 2);
  const double inverse = 1 / std::sqrt(sum / 56 + 1e-5);
  for (size_t i = 0; i < output.size(); ++i) {
    const double want = axollama::Bf16ToFloat(input[i]) * inverse * made.values.at("norm")[i];
    EXPECT_NEAR(axollama::Bf16ToFloat(output[i]), want, std::abs(want) / 256);
  }
}

TEST(Executor, RefusesWhatThereIsNot) {
  auto unknown = Executor::Create({.threads = 1, .isa = "avx9"});
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().message, HasSubstr("avx9"));
  EXPECT_THAT(unknown.error().message, HasSubstr("scalar"));
  EXPECT_FALSE(Executor::Create({.threads = 100000, .isa = "auto"}).has_value());
}

TEST(Executor, SaysWhatItRuns) {
  EXPECT_EQ(MakeExecutor(1, "scalar")->isa(), "scalar");
  EXPECT_NE(MakeExecutor(1, "auto")->isa(), "auto");
}

std::string WhyRefused(container::Model model) {
  auto result = Assemble(std::move(model));
  return result ? "" : result.error().message;
}

TEST(Assemble, RefusesProgramsThatCannotRun) {
  HandMade made = MakeLayer(SmallProgram());
  EXPECT_EQ(WhyRefused(made.model), "");
  auto changed = [&](auto change) {
    container::Model model = made.model;
    change(model);
    return WhyRefused(std::move(model));
  };
  using M = container::Model;
  EXPECT_THAT(changed([](M& m) { m.program.heads = 7; }), HasSubstr("kv_heads"));
  EXPECT_THAT(changed([](M& m) { m.program.head_dim = 12; }), HasSubstr("head_dim"));
  EXPECT_THAT(changed([](M& m) { m.program.rope_dims = 18; }), HasSubstr("rope_dims"));
  EXPECT_THAT(changed([](M& m) { m.program.kv_heads = 0; }), HasSubstr("0"));
  EXPECT_THAT(changed([](M& m) { m.weights.erase("up"); }), HasSubstr("up is missing"));
  EXPECT_THAT(changed([](M& m) { m.weights.erase("down.scale"); }), HasSubstr("down.scale"));
  EXPECT_THAT(changed([](M& m) { m.weights["gate"].data = m.weights["q"].data; }),
              HasSubstr("gate has"));
  EXPECT_THAT(changed([](M& m) { m.program.weights = spec::WeightType::kBf16; }),
              HasSubstr("another type"));
  EXPECT_THAT(changed([](M& m) { m.program.qk_norm = true; }), HasSubstr("q_norm is missing"));
  EXPECT_THAT(changed([](M& m) { m.groups.clear(); }), HasSubstr("no shape group"));
  EXPECT_THAT(changed([](M& m) { m.groups[1].inputs[4].name = "maske"; }), HasSubstr("mask"));
  EXPECT_THAT(changed([](M& m) { m.groups[1].inputs[4].dims[2] = 5; }), HasSubstr("mask"));
  EXPECT_THAT(changed([](M& m) { m.groups[0].inputs[0].dims[1] = -1; }), HasSubstr("K_cache"));
  EXPECT_THAT(changed([](M& m) { m.groups[0].outputs[1].dims = {1, 1, 31}; }),
              HasSubstr("V_cache_out"));
}

class Bindings : public testing::Test {
 protected:
  Bindings() {
    // The decode group's sizes: width 32, 63 rows, hidden 40.
    const size_t in[] = {63 * 32 * 2, 63 * 32 * 2, 4, 80, 128};
    const size_t out[] = {64, 64, 80};
    for (size_t i = 0; i < 5; ++i) in_[i] = std::span(memory_).first(in[i]);
    for (size_t i = 0; i < 3; ++i) out_[i] = std::span(memory_).last(out[i]);
  }
  std::string Why(uint32_t group = 0) {
    const auto status = model_->Run(*executor_, group, in_, out_);
    return status ? "" : status.error().message;
  }
  const HandMade made_ = MakeLayer(SmallProgram());
  std::unique_ptr<Model> model_ = std::move(*Assemble(made_.model));
  std::unique_ptr<Executor> executor_ = MakeExecutor();
  std::vector<std::byte> memory_ = std::vector<std::byte>(1 << 16);
  std::vector<std::span<std::byte>> in_ = std::vector<std::span<std::byte>>(5);
  std::vector<std::span<std::byte>> out_ = std::vector<std::span<std::byte>>(3);
};

TEST_F(Bindings, OfTheRightSizeRun) { EXPECT_EQ(Why(), ""); }

TEST_F(Bindings, LargerThanNeededRun) {
  for (auto& span : in_) span = std::span(memory_).first(1 << 15);
  EXPECT_EQ(Why(), "");
}

TEST_F(Bindings, TooSmallAreRefused) {
  in_[4] = in_[4].first(126);
  EXPECT_THAT(Why(), HasSubstr("mask needs 128 bytes, 126 are bound"));
}

TEST_F(Bindings, TooSmallOutputIsRefused) {
  out_[2] = out_[2].first(78);
  EXPECT_THAT(Why(), HasSubstr("output"));
}

TEST_F(Bindings, TooFewAreRefused) {
  in_.pop_back();
  EXPECT_THAT(Why(), HasSubstr("4 inputs are bound"));
}

TEST_F(Bindings, AtOddAddressesAreRefused) {
  in_[3] = std::span(memory_).subspan(1, 80);
  EXPECT_THAT(Why(), HasSubstr("odd address"));
}

TEST_F(Bindings, OfAnUnknownGroupAreRefused) { EXPECT_THAT(Why(17), HasSubstr("group 17")); }

TEST_F(Bindings, BeyondTheRopeTableAreRefused) {
  const uint32_t position = 64;
  std::vector<std::byte> index(4);
  std::memcpy(index.data(), &position, 4);
  in_[2] = index;
  EXPECT_THAT(Why(), HasSubstr("position 64"));
}

TEST_F(Bindings, OfAFullyMaskedRowGiveZeros) {
  std::vector<uint16_t> mask(64, kMasked), output(40, 7);
  in_[4] = std::as_writable_bytes(std::span(mask));
  out_[2] = std::as_writable_bytes(std::span(output));
  EXPECT_EQ(Why(), "");
  EXPECT_EQ(output, std::vector<uint16_t>(40, 0));
}

TEST(Pool, PhasesDoEachUnitOnceAndInOrder) {
  for (const uint32_t size : {1u, 2u, 4u}) {
    Pool pool(size);
    EXPECT_EQ(pool.size(), size);
    struct Shared {
      Pool& pool;
      Crew crew;
      std::array<Phase, 3> phases{};
      std::array<std::array<std::atomic<uint32_t>, 50>, 3> calls{};
      std::atomic<uint32_t> early{0};
    };
    for (uint32_t round = 0; round < 300; ++round) {
      const uint32_t threads = 1 + round % (size + 1);
      Shared shared{.pool = pool, .crew = {threads, pool.spins()}};
      pool.Run(
          threads,
          [](void* context, uint32_t thread) {
            auto& s = *static_cast<Shared*>(context);
            if (thread >= s.pool.size()) ++s.early;
            for (size_t p = 0; p < 3; ++p) {
              s.phases[p].Run(50, s.crew, thread, [&](size_t unit) {
                ++s.calls[p][unit];
                for (const auto& call : s.calls[p == 0 ? 0 : p - 1]) {
                  if (p > 0 && call != 1) ++s.early;
                }
              });
            }
          },
          &shared);
      EXPECT_EQ(shared.early, 0u);
      for (const auto& phase : shared.calls) {
        for (const auto& call : phase) EXPECT_EQ(call, 1u);
      }
    }
  }
}

TEST(Rope, LayersOfOneModelShareATable) {
  const auto a = SharedRopeTable(32, 16, 10000.0, {});
  EXPECT_EQ(SharedRopeTable(32, 16, 10000.0, {}), a);
  EXPECT_NE(SharedRopeTable(32, 16, 500.0, {}), a);
  const std::vector<float> factors(8, 2.0f);
  EXPECT_NE(SharedRopeTable(32, 16, 10000.0, factors), a);
}

}  // namespace
}  // namespace axsim::model
