#include "runner/bench.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/fakes.h"
#include "runner/allocations.h"

namespace axollama::runner {
namespace {

engine::Parts MakeParts(engine::FakeModel** model) {
  npu::Limits limits;
  limits.context_tokens = 128;
  limits.max_prompt_tokens = 128;
  limits.vocab = 300;
  engine::Parts parts;
  auto made = std::make_unique<engine::FakeModel>(limits);
  made->calls.reserve(10000);
  *model = made.get();
  parts.model = std::move(made);
  parts.tokenizer = std::make_shared<engine::FakeTokenizer>(std::vector<std::string>(44, "word "));
  return parts;
}

TEST(AllocationsTest, CountsThisThreadsOnly) {
  const uint64_t before = ThreadAllocations();
  auto one = std::make_unique<int>(1);
  auto two = std::make_unique<std::string>(100, 'x');
  EXPECT_EQ(ThreadAllocations() - before, 3u);
  struct alignas(64) Aligned {
    char bytes[64];
  };
  auto aligned = std::make_unique<Aligned>();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(aligned.get()) % 64, 0u);
  EXPECT_EQ(ThreadAllocations() - before, 4u);
  one.reset();
  EXPECT_EQ(ThreadAllocations() - before, 4u);
}

TEST(BenchTest, RunsAreWhatTheOptionsSay) {
  engine::FakeModel* model = nullptr;
  const engine::Parts parts = MakeParts(&model);
  const Result<BenchResult> result =
      Bench(parts, {.prompt_tokens = 20, .generate_tokens = 6, .context_tokens = 30, .runs = 2},
            [] { return false; });
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_GT(result->prefill_tokens_per_s, 0);
  EXPECT_GT(result->decode_tokens_per_s, 0);
  EXPECT_GT(result->ttft_ms, 0);
  ASSERT_GE(model->calls.size(), 7u);
  EXPECT_EQ(model->calls[0].tokens.size(), 20u);  // an empty cache
  EXPECT_EQ(model->calls[0].history, 0u);
  size_t decodes = 0, prefills_from_nothing = 0;
  for (const engine::FakeModel::Call& call : model->calls) {
    if (call.decode && call.history >= 30) ++decodes;
    if (!call.decode && call.history == 0 && call.tokens.size() == 20) ++prefills_from_nothing;
  }
  EXPECT_EQ(decodes, 3u * 5);  // two runs and the one that counts, five steps each
  EXPECT_EQ(prefills_from_nothing, 2u);
}

TEST(BenchTest, TheLoopAllocatesNothingPerToken) {
  engine::FakeModel* model = nullptr;
  const engine::Parts parts = MakeParts(&model);
  const Result<BenchResult> result =
      Bench(parts, {.prompt_tokens = 8, .generate_tokens = 100, .context_tokens = 0, .runs = 1},
            [] { return false; });
  ASSERT_TRUE(result) << result.error().message;
  // FakeModel notes its calls: one vector for each.
  EXPECT_EQ(result->allocations_per_token, 1.0);
}

TEST(BenchTest, RefusesWhatDoesNotFit) {
  engine::FakeModel* model = nullptr;
  const engine::Parts parts = MakeParts(&model);
  for (const BenchOptions& options :
       {BenchOptions{.prompt_tokens = 128, .generate_tokens = 2},
        BenchOptions{.prompt_tokens = 1, .generate_tokens = 128},
        BenchOptions{.prompt_tokens = 1, .generate_tokens = 28, .context_tokens = 101}}) {
    const Result<BenchResult> result = Bench(parts, options, [] { return false; });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::kTooLong);
  }
}

}  // namespace
}  // namespace axollama::runner
