#include "runner/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/fakes.h"

namespace axollama::runner {
namespace {

using engine::FakeModel;

npu::Limits SmallLimits() {
  npu::Limits limits;
  limits.context_tokens = 8;
  limits.max_prompt_tokens = 5;
  limits.vocab = 20;
  return limits;
}

bool Never() { return false; }

TEST(ScoreOneTest, LogProbabilitiesAndTheTwelveBest) {
  std::vector<float> logits(20, std::log(1.0f));
  logits[7] = std::log(4.0f);
  logits[3] = std::log(2.0f);
  const Result<ScoredToken> scored = ScoreOne(logits, 3);
  ASSERT_TRUE(scored) << scored.error().message;
  const double total = 18 + 4 + 2;
  EXPECT_EQ(scored->id, 3);
  EXPECT_NEAR(scored->logprob, std::log(2 / total), 1e-6);
  ASSERT_EQ(scored->top.size(), 12u);
  EXPECT_EQ(scored->top[0].first, 7);
  EXPECT_NEAR(scored->top[0].second, std::log(4 / total), 1e-6);
  EXPECT_EQ(scored->top[1].first, 3);
  // Ties: the lowest ids, in order.
  const int32_t ties[] = {0, 1, 2, 4, 5, 6, 8, 9, 10, 11};
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(scored->top[i + 2].first, ties[i]);
}

TEST(ScoreOneTest, RefusesUnknownTokensAndBadLogits) {
  const std::vector<float> logits(20, 0.0f);
  EXPECT_EQ(ScoreOne(logits, 20).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(ScoreOne(logits, -1).error().kind, ErrorKind::kInvalid);
  std::vector<float> bad = logits;
  bad[4] = std::nanf("");
  EXPECT_EQ(ScoreOne(bad, 1).error().kind, ErrorKind::kDevice);
}

TEST(ScoreTokensTest, WindowsStartEmptyAndTheirFirstTokenIsNotScored) {
  FakeModel model(SmallLimits());
  const std::vector<int32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
  std::vector<int32_t> ids;
  double sum = 0;
  const Result<Score> score =
      ScoreTokens(model, nullptr, tokens, 8, Never, [&](const ScoredToken& token) -> Status {
        ids.push_back(token.id);
        sum += token.logprob;
        return {};
      });
  ASSERT_TRUE(score) << score.error().message;
  EXPECT_EQ(ids, (std::vector<int32_t>{2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16}));
  EXPECT_EQ(score->scored_tokens, 14u);
  EXPECT_EQ(score->windows, 2u);  // the last window has one token: nothing to score
  EXPECT_NEAR(score->mean_nll, -sum / 14, 1e-12);
  EXPECT_NEAR(score->perplexity, std::exp(score->mean_nll), 1e-9);
  // Rows 0 to 4 by prefill, 5 and 6 one by one; the last token of a window is never computed.
  using Call = FakeModel::Call;
  const std::vector<Call> first = {{false, 0, {1, 2, 3, 4, 5}}, {true, 5, {6}}, {true, 6, {7}}};
  EXPECT_EQ(std::vector<Call>(model.calls.begin(), model.calls.begin() + 3), first);
  EXPECT_EQ(model.calls.size(), 6u);
  EXPECT_EQ(model.calls[3], (Call{false, 0, {9, 10, 11, 12, 13}}));

  // Each row is what the tokens before it predict.
  std::vector<float> logits(20);
  FakeModel::Mixed(std::span(tokens).subspan(8, 3), logits);
  const double expected = ScoreOne(logits, tokens[11])->logprob;
  double got = 0;
  size_t at = 0;
  ASSERT_TRUE(
      ScoreTokens(model, nullptr, tokens, 8, Never, [&](const ScoredToken& token) -> Status {
        if (at++ == 9) got = token.logprob;
        return {};
      }));
  EXPECT_DOUBLE_EQ(got, expected);
}

TEST(ScoreTokensTest, RefusesWhatCannotBeScored) {
  FakeModel model(SmallLimits());
  auto nothing = [](const ScoredToken&) -> Status { return {}; };
  EXPECT_EQ(ScoreTokens(model, nullptr, std::vector<int32_t>{1}, 8, Never, nothing).error().kind,
            ErrorKind::kInvalid);
  npu::Limits vectors = SmallLimits();
  vectors.makes_embeddings = true;
  FakeModel embedding(vectors);
  EXPECT_EQ(ScoreTokens(embedding, nullptr, std::vector<int32_t>{1, 2, 3}, 8, Never, nothing)
                .error()
                .message,
            "the model makes embeddings: no token has a probability");
  for (const uint32_t window : {0u, 1u, 9u}) {
    EXPECT_EQ(ScoreTokens(model, nullptr, std::vector<int32_t>{1, 2}, window, Never, nothing)
                  .error()
                  .kind,
              ErrorKind::kInvalid);
  }
  EXPECT_EQ(ScoreTokens(
                model, nullptr, std::vector<int32_t>{1, 2, 3}, 8, [] { return true; }, nothing)
                .error()
                .kind,
            ErrorKind::kCancelled);
}

}  // namespace
}  // namespace axollama::runner
