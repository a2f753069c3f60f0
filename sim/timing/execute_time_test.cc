#include "sim/timing/execute_time.h"

#include <gtest/gtest.h>

#include "sim/timing/costs.h"

namespace axsim::timing {
namespace {

using spec::WeightType;

// Qwen3-0.6B, which was measured.
spec::Program Layer(WeightType weights = WeightType::kS8) {
  spec::Program program;
  program.weights = weights;
  program.hidden = 1024;
  program.heads = 16;
  program.kv_heads = 8;
  program.head_dim = 128;
  program.ffn = 3072;
  program.context = 2049;
  return program;
}

spec::Program Post(uint32_t hidden, uint32_t vocab) {
  spec::Program program;
  program.kind = spec::Kind::kPost;
  program.hidden = hidden;
  program.vocab = vocab;
  return program;
}

int64_t RowNs(const spec::Program& program, uint32_t rows) {
  return ExecuteNs(program, container::LayerGroups(program, rows, 128, {0})[0]);
}
int64_t ChunkNs(const spec::Program& program, uint32_t chunk, uint32_t history) {
  return ExecuteNs(program, container::LayerGroups(program, 2048, chunk, {history})[1]);
}

TEST(ExecuteTime, MeasuredShapesTakeWhatWasMeasured) {
  EXPECT_EQ(RowNs(Layer(WeightType::kS8), 2048), 1'500'000);
  EXPECT_EQ(RowNs(Layer(WeightType::kS4), 2048), 1'170'000);
  EXPECT_EQ(RowNs(Layer(WeightType::kBf16), 2048), 3'240'000);
  const auto post = Post(1024, 151'936);
  EXPECT_EQ(ExecuteNs(post, container::PostGroups(post)[0]), 7'900'000);
  EXPECT_NEAR(ChunkNs(Layer(), 128, 0), 2'800'000, 2000);  // history 0 is shown as one row
  EXPECT_EQ(ChunkNs(Layer(), 128, 1920), 5'200'000);
}

TEST(ExecuteTime, OtherShapesScaleTheirBytes) {
  // Half the cache rows: 1,024 rows of 4 KiB fewer.
  EXPECT_NEAR(RowNs(Layer(), 1024), 1.5e6 - 1024 * 4096 / 25.0, 1);
  spec::Program wide = Layer();
  wide.ffn *= 2;
  EXPECT_NEAR(RowNs(wide, 2048), 1.5e6 + 3 * 1024 * 3072 / 25.0, 1);
  wide.weights = WeightType::kBf16;  // four bytes each
  EXPECT_NEAR(RowNs(wide, 2048), 3.24e6 + 4 * 3 * 1024 * 3072 / 25.0, 1);
  const auto post = Post(2048, 151'936);
  EXPECT_NEAR(ExecuteNs(post, container::PostGroups(post)[0]), 7.9e6 + 1024 * 151'936 / 25.0, 1);
}

TEST(ExecuteTime, NothingIsFasterThanAnEmptyExecute) {
  spec::Program tiny = Layer(WeightType::kBf16);
  tiny.hidden = tiny.ffn = 32;
  tiny.heads = tiny.kv_heads = 1;
  EXPECT_EQ(RowNs(tiny, 16), kFixedNs);
  EXPECT_GE(ChunkNs(tiny, 16, 0), kFixedNs);
}

TEST(ExecuteTime, AChunkIsNoFasterThanARow) {
  EXPECT_GE(ChunkNs(Layer(WeightType::kBf16), 128, 1920), RowNs(Layer(WeightType::kBf16), 1920));
  EXPECT_EQ(ChunkNs(Layer(), 2, 0), RowNs(Layer(), 1));
}

TEST(ExecuteTime, AStackHasOneFixedPart) {
  spec::Program stack;
  stack.kind = spec::Kind::kStack;
  stack.hidden = 1024;
  stack.parts = {Layer(), Layer(), Post(1024, 151'936)};
  const auto groups = container::StackGroups(stack, {{2048, 1}, {0, 128}, {1920, 128}});
  EXPECT_EQ(ExecuteNs(stack, groups[0]), 2 * 1'500'000 + 7'900'000 - 2 * kFixedNs);
  // The head computes every row of a chunk.
  EXPECT_GT(ExecuteNs(stack, groups[1]), 2 * 2'800'000 + 7'900'000);
  EXPECT_NEAR(ExecuteNs(stack, groups[2]) - ExecuteNs(stack, groups[1]), 2 * 2'400'000, 4000);
}

TEST(Costs, Profiles) {
  ASSERT_NE(FindCosts("off"), nullptr);
  EXPECT_FALSE(FindCosts("off")->timed);
  EXPECT_EQ(FindCosts("off")->BusNs(1 << 20), 0);
  EXPECT_EQ(FindCosts("off")->MemoryNs(1 << 20), 0);
  const Costs& pi5 = *FindCosts("pi5");
  EXPECT_EQ(pi5.small_call_ns, 155'000);
  EXPECT_EQ(pi5.BusNs(420'000'000), 1'000'000'000);
  EXPECT_NEAR(static_cast<double>(pi5.BusNs(50'000'000) + pi5.LoadNs(50'000'000)), 1e9, 10);
  const Costs& native = *FindCosts("native");
  EXPECT_TRUE(native.timed);
  EXPECT_EQ(native.small_call_ns, 0);
  EXPECT_EQ(native.BusNs(1 << 30), 0);
  EXPECT_EQ(native.LoadNs(1 << 20), pi5.LoadNs(1 << 20));
  EXPECT_EQ(FindCosts("pi4"), nullptr);
  EXPECT_EQ(FindCosts(""), nullptr);
}

}  // namespace
}  // namespace axsim::timing
