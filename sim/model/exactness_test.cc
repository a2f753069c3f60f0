// One row gives the same bits whichever group, chunking, thread count or ISA computes it.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cmath>

#include "sim/kernels/kernels.h"
#include "sim/model/layer_fixture.h"

extern std::atomic<size_t> allocations;  // allocations_test.cc

namespace axsim::model {
namespace {

struct Trace {
  std::vector<uint16_t> outputs, k, v;
  bool operator==(const Trace&) const = default;
};

// Chunks of the given sizes; 0 decodes one token.
Trace Play(const HandMade& made, Executor& executor, const std::vector<size_t>& steps) {
  auto model = Assemble(made.model);
  EXPECT_TRUE(model.has_value());
  const size_t hidden = made.model.program.hidden;
  Session session(**model, executor);
  const std::vector<uint16_t> inputs = RandomInputs(60, hidden);
  for (size_t step : steps) {
    const uint16_t* input = inputs.data() + session.done * hidden;
    step == 0 ? session.Decode(input) : session.Prefill(input, step);
  }
  return {session.outputs, session.k, session.v};
}

std::vector<spec::Program> Programs() {
  std::vector<spec::Program> programs;
  for (const auto weights :
       {spec::WeightType::kS8, spec::WeightType::kBf16, spec::WeightType::kS4}) {
    spec::Program p = SmallProgram(weights);
    programs.push_back(p);
    p.sliding_window = 11;
    p.qk_norm = p.qkv_bias = true;
    programs.push_back(p);
  }
  spec::Program wide = SmallProgram();
  wide.hidden = 528;
  wide.ffn = 1028;
  programs.push_back(wide);
  return programs;
}

TEST(Exactness, PrefillEqualsDecodeOverLaddersChunksThreadsAndIsas) {
  for (const spec::Program& p : Programs()) {
    const auto one = MakeExecutor(1, "scalar");
    const Trace want = Play(MakeLayer(p), *one, std::vector<size_t>(37, 0));
    for (const char* const* isa = kernels::Available(); *isa != nullptr; ++isa) {
      for (const uint32_t threads : {1u, 3u}) {
        const auto executor = MakeExecutor(threads, *isa);
        EXPECT_EQ(executor->isa(), *isa);
        auto expect = [&](const HandMade& made, const std::vector<size_t>& steps) {
          EXPECT_TRUE(Play(made, *executor, steps) == want) << *isa << " threads " << threads;
        };
        expect(MakeLayer(p), std::vector<size_t>(37, 0));
        expect(MakeLayer(p), {8, 8, 8, 8, 5});
        expect(MakeLayer(p), {3, 8, 0, 0, 7, 1, 8, 2, 6});
        expect(MakeLayer(p, 16, {1, 32}), {16, 16, 5});
        expect(MakeLayer(p, 37, {1}), {37});
        expect(MakeLayer(p, 5, {50}), {5, 5, 5, 5, 5, 5, 5, 0, 0});
      }
    }
  }
}

TEST(Exactness, ThreadCountMayChangeBetweenRuns) {
  const HandMade made = MakeLayer(SmallProgram());
  const auto executor = MakeExecutor(0);
  const Trace want = Play(made, *executor, {8, 8, 0});
  EXPECT_GE(executor->threads(), 1u);
  EXPECT_LE(executor->threads(), 4u);
  for (const uint32_t threads : {4u, 1u, 2u, 0u}) {
    executor->SetThreads(threads);
    EXPECT_TRUE(Play(made, *executor, {8, 8, 0}) == want);
    if (threads != 0) {
      EXPECT_EQ(executor->threads(), threads);
    }
  }
}

TEST(Exactness, NanInAVisibleCacheRowReachesTheOutput) {
  const HandMade made = MakeLayer(SmallProgram());
  auto model = Assemble(made.model);
  ASSERT_TRUE(model.has_value());
  const auto executor = MakeExecutor();
  const std::vector<uint16_t> inputs = RandomInputs(5, 40);
  for (const bool in_k : {true, false}) {
    Session session(**model, *executor);
    session.Prefill(inputs.data(), 4);
    for (uint16_t x : session.outputs) EXPECT_FALSE(std::isnan(axollama::Bf16ToFloat(x)));
    (in_k ? session.k : session.v)[2 * 32 + 5] = kBf16Nan;
    session.Decode(inputs.data() + 4 * 40);
    for (size_t i = 4 * 40; i < 5 * 40; ++i) {
      EXPECT_TRUE(std::isnan(axollama::Bf16ToFloat(session.outputs[i])));
    }
  }
}

TEST(Exactness, AnOwnRowThatIsMaskedForItselfStillComputes) {
  // A row that sees history but not itself: no client does it, the card must not fall over it.
  const HandMade made = MakeLayer(SmallProgram());
  auto model = Assemble(made.model);
  ASSERT_TRUE(model.has_value());
  const auto executor = MakeExecutor();
  Session session(**model, *executor);
  const std::vector<uint16_t> inputs = RandomInputs(4, 40);
  session.Prefill(inputs.data(), 3);
  std::vector<uint16_t> mask(64, kMasked), k(32), v(32), output(40);
  mask[0] = mask[2] = 0;
  uint32_t index = 3;
  session.Run(0, &index, inputs.data() + 3 * 40, mask, k.data(), v.data(), output);
  for (uint16_t x : output) EXPECT_TRUE(std::isfinite(axollama::Bf16ToFloat(x)));
}

TEST(Exactness, NothingIsAllocatedAfterTheFirstRunOfAGroup) {
  for (const auto weights :
       {spec::WeightType::kS8, spec::WeightType::kBf16, spec::WeightType::kS4}) {
    const HandMade made = MakeLayer(SmallProgram(weights));
    auto model = Assemble(made.model);
    ASSERT_TRUE(model.has_value());
    const auto executor = MakeExecutor(3);
    const container::Group& decode = made.model.groups[0];
    const container::Group& prefill = made.model.groups[2];
    std::vector<std::byte> memory(1 << 20);
    auto run = [&](uint32_t group, const container::Group& g) {
      std::array<std::span<std::byte>, 5> in;
      std::array<std::span<std::byte>, 3> out;
      in.fill(std::span(memory).first(memory.size() / 2));  // zero: a mask that shows everything
      out.fill(std::span(memory).last(memory.size() / 2));
      EXPECT_EQ(g.inputs.size(), in.size());
      const size_t before = allocations;
      EXPECT_TRUE((*model)->Run(*executor, group, in, out).has_value());
      return allocations - before;
    };
    run(0, decode);
    run(2, prefill);
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(run(0, decode), 0u);
      EXPECT_EQ(run(2, prefill), 0u);
    }
  }
}

}  // namespace
}  // namespace axsim::model
