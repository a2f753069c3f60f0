// Requests for a vector, which have no answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <limits>
#include <numeric>

#include "engine/engine.h"
#include "engine/fakes.h"
#include "engine/generator.h"

namespace axollama::engine {
namespace {

using ::testing::HasSubstr;

npu::Limits EmbeddingLimits() {
  npu::Limits limits;
  limits.context_tokens = 32;
  limits.chunk_tokens = 8;
  limits.max_prompt_tokens = 24;
  limits.vocab = 300;
  limits.makes_embeddings = true;
  return limits;
}

Request Embed(std::vector<int32_t> tokens) {
  Request request;
  request.tokens = std::move(tokens);
  request.embed = true;
  return request;
}

std::vector<int32_t> Counting(size_t count) {
  std::vector<int32_t> tokens(count);
  std::iota(tokens.begin(), tokens.end(), 1);
  return tokens;
}

class Nothing : public PieceSink {
 public:
  void OnToken(int32_t, std::span<const TokenLogprob>) override { ADD_FAILURE(); }
  void OnText(std::string_view) override { ADD_FAILURE(); }
};

bool Never() { return false; }

TEST(Embedding, IsTheLastTokensVectorWhateverWasCached) {
  FakeModel model(EmbeddingLimits());
  Generator generator(model, {});
  Nothing sink;
  const Outcome cold = generator.Run(Embed(Counting(20)), Never, sink);
  ASSERT_TRUE(cold.status) << cold.status.error().message;
  EXPECT_EQ(cold.timings.prompt_n, 20u);
  EXPECT_EQ(cold.timings.predicted_n, 0u);
  std::vector<float> want(300);
  FakeModel::Mixed(Counting(20), want);
  EXPECT_EQ(cold.embedding, want);

  const Outcome again = generator.Run(Embed(Counting(20)), Never, sink);
  EXPECT_EQ(again.timings.cache_n, 19u);
  EXPECT_EQ(again.embedding, want);
}

TEST(Embedding, MayFillTheContextToItsLastPosition) {
  FakeModel model(EmbeddingLimits());
  Generator generator(model, {});
  Nothing sink;
  const Outcome full = generator.Run(Embed(Counting(32)), Never, sink);
  ASSERT_TRUE(full.status) << full.status.error().message;
  std::vector<float> want(300);
  FakeModel::Mixed(Counting(32), want);
  EXPECT_EQ(full.embedding, want);

  const Outcome over = generator.Run(Embed(Counting(33)), Never, sink);
  ASSERT_FALSE(over.status);
  EXPECT_EQ(over.status.error().kind, ErrorKind::kTooLong);
  EXPECT_EQ(over.status.error().message,
            "the prompt is too long: it has 33 tokens, and the context holds 32");
  Request less = Embed(Counting(9));
  less.context_tokens = 8;
  EXPECT_FALSE(generator.Run(less, Never, sink).status);
}

TEST(Embedding, IsNothingThatAnotherModelHas) {
  npu::Limits limits = EmbeddingLimits();
  Request answer = Embed({1});
  answer.embed = false;
  EXPECT_THAT(CheckRequest(answer, limits).error().message, HasSubstr("makes embeddings only"));
  limits.makes_embeddings = false;
  EXPECT_THAT(CheckRequest(Embed({1}), limits).error().message,
              HasSubstr("does not make embeddings"));
}

TEST(Embedding, ThatIsNoNumberIsAnError) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    FakeModel model(EmbeddingLimits(), [&](std::span<const int32_t>, std::span<float> vector) {
      std::fill(vector.begin(), vector.end(), 1.0f);
      vector[7] = bad;
    });
    Generator generator(model, {});
    Nothing sink;
    const Outcome outcome = generator.Run(Embed({1, 2}), Never, sink);
    ASSERT_FALSE(outcome.status);
    EXPECT_EQ(outcome.status.error().message, "embedding contains NaN or Inf values");
    EXPECT_TRUE(outcome.embedding.empty());
  }
}

TEST(Embedding, ComesThroughTheEngine) {
  std::promise<Status> loaded;
  Engine engine(
      {},
      [](const npu::StopCheck&) -> Result<Parts> {
        Parts parts;
        parts.model = std::make_unique<FakeModel>(EmbeddingLimits());
        return parts;
      },
      [&](const Status& status) { loaded.set_value(status); });
  ASSERT_TRUE(loaded.get_future().get());
  const auto generation = engine.Submit(Embed(Counting(32)));
  ASSERT_TRUE(generation) << generation.error().message;
  std::string text;
  std::vector<int32_t> tokens;
  EXPECT_FALSE((*generation)->Read(&text, &tokens));
  EXPECT_EQ((*generation)->outcome().embedding.size(), 300u);
}

}  // namespace
}  // namespace axollama::engine
