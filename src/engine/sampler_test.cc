#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>

namespace axollama::engine {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

SamplingOptions Plain() {
  SamplingOptions options;
  options.temperature = 1;
  options.top_k = 0;
  options.top_p = 1;
  options.seed = 1;
  return options;
}

SamplingOptions Greedy() {
  SamplingOptions options = Plain();
  options.temperature = 0;
  return options;
}

int32_t One(const std::vector<float>& logits, const SamplingOptions& options,
            const std::vector<int32_t>& history = {}, const std::vector<int32_t>& banned = {}) {
  Sampler sampler(static_cast<uint32_t>(logits.size()), 64);
  sampler.Start(options, history, banned);
  const Result<int32_t> token = sampler.Sample(logits);
  EXPECT_TRUE(token) << token.error().message;
  return token.value_or(-1);
}

// How often each token is drawn, of `draws`.
std::map<int32_t, double> Shares(const std::vector<float>& logits, const SamplingOptions& options,
                                 int draws = 40000) {
  Sampler sampler(static_cast<uint32_t>(logits.size()), 64);
  sampler.Start(options, {}, {});
  std::map<int32_t, double> shares;
  for (int i = 0; i < draws; ++i) shares[sampler.Sample(logits).value()] += 1.0 / draws;
  return shares;
}

std::set<int32_t> Alive(const std::vector<float>& logits, const SamplingOptions& options) {
  std::set<int32_t> ids;
  for (const auto& [id, share] : Shares(logits, options, 4000)) ids.insert(id);
  return ids;
}

std::vector<float> LogOf(std::vector<double> probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

TEST(ExpTest, IsTheExponential) {
  EXPECT_EQ(ExpOfNegative(0), 1.0);
  EXPECT_EQ(ExpOfNegative(-kInf), 0.0);
  EXPECT_EQ(ExpOfNegative(std::nan("")), 0.0);
  EXPECT_EQ(ExpOfNegative(-1e30), 0.0);
  for (double x = 0; x > -690; x -= 0.37) {
    EXPECT_NEAR(ExpOfNegative(x) / std::exp(x), 1.0, 1e-10) << x;
  }
}

TEST(SamplerTest, GreedyTakesTheLikeliestAndTheLowestIdOnTies) {
  EXPECT_EQ(One({1, 3, 3, 2}, Greedy()), 1);
  EXPECT_EQ(One({-5, -5, -5}, Greedy()), 0);
  SamplingOptions negative = Greedy();
  negative.temperature = -1;
  EXPECT_EQ(One({1, 3, 3, 2}, negative), 1);
}

TEST(SamplerTest, GreedyOverManyTokensFindsTheFirstOfTheGreatest) {
  std::mt19937 random(3);
  for (const size_t size : {1u, 15u, 17u, 1023u, 1024u, 1025u, 3001u}) {
    for (int round = 0; round < 50; ++round) {
      std::vector<float> logits(size);
      for (float& logit : logits) logit = static_cast<float>(random() % 1000) - 2000;
      logits[random() % size] = std::numeric_limits<float>::quiet_NaN();
      logits[random() % size] = -kInf;
      const size_t best = random() % size;
      logits[best] = -1;
      const size_t as_good = random() % size;
      if (std::isfinite(logits[as_good])) logits[as_good] = -1;
      const auto first = std::find(logits.begin(), logits.end(), -1.0f) - logits.begin();
      EXPECT_EQ(One(logits, Greedy()), first) << size;
      // The same of the copy that penalties and the like are applied to.
      const auto other = static_cast<int32_t>((static_cast<size_t>(first) + 1) % size);
      if (other != first) {
        EXPECT_EQ(One(logits, Greedy(), {}, {other}), first) << size;
      }
    }
  }
}

TEST(SamplerTest, DrawsWithTheDistribution) {
  const std::vector<float> logits = LogOf({0.1, 0.2, 0.3, 0.4});
  const auto shares = Shares(logits, Plain());
  for (int32_t id = 0; id < 4; ++id) EXPECT_NEAR(shares.at(id), 0.1 * (id + 1), 0.012) << id;
}

TEST(SamplerTest, TemperatureComesLastAndReshapes) {
  const std::vector<float> logits = LogOf({0.1, 0.2, 0.3, 0.4});
  SamplingOptions options = Plain();
  options.temperature = 0.5f;  // squares: 1 4 9 16 of 30
  const auto shares = Shares(logits, options);
  EXPECT_NEAR(shares.at(3), 16.0 / 30, 0.012);
  EXPECT_NEAR(shares.at(0), 1.0 / 30, 0.006);
  // top_p looks at the distribution before the temperature: 0.4 + 0.3 + 0.2 reach 0.85.
  options.temperature = 100;
  options.top_p = 0.85f;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1, 2, 3}));
}

TEST(SamplerTest, TopK) {
  const std::vector<float> logits = {1, 4, 2, 4, 3, 0};
  SamplingOptions options = Plain();
  options.temperature = 50;
  for (const int32_t all : {0, -1, 6, 100}) {
    options.top_k = all;
    EXPECT_EQ(Alive(logits, options).size(), 6u) << all;
  }
  options.top_k = 1;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1}));  // a tie: the lower id
  options.top_k = 2;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1, 3}));
  options.top_k = 3;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1, 3, 4}));
}

TEST(SamplerTest, TopP) {
  const std::vector<float> logits = LogOf({0.05, 0.5, 0.15, 0.3});
  SamplingOptions options = Plain();
  options.top_p = 0.79f;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1, 3}));
  options.top_p = 0.81f;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1, 2, 3}));
  options.top_p = 0;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1}));
  options.top_p = 1;
  EXPECT_EQ(Alive(logits, options).size(), 4u);
  // Taken of what top_k left: 0.5 of 0.8 reaches 0.6.
  options.top_k = 2;
  options.top_p = 0.6f;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1}));
}

// The partial ordering against a full sort, on distributions that need several blocks of it.
TEST(SamplerTest, TopPOverManyTokensKeepsExactlyTheLikeliest) {
  std::mt19937 random(3);
  std::vector<float> logits(800);
  for (float& logit : logits) logit = static_cast<float>(random() % 64) / 64;
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit));
  for (const float top_p : {0.01f, 0.05f, 0.3f, 0.7f}) {
    std::set<int32_t> expected;
    double reached = 0;
    for (const int32_t id : order) {
      expected.insert(id);
      reached += std::exp(static_cast<double>(logits[static_cast<size_t>(id)]));
      if (reached >= static_cast<double>(top_p) * total) break;
    }
    SamplingOptions options = Plain();
    options.top_p = top_p;
    const auto shares = Shares(logits, options, 8000);
    for (const auto& [id, share] : shares) EXPECT_TRUE(expected.contains(id)) << top_p;
    EXPECT_GT(shares.size(), expected.size() * 9 / 10) << top_p;
  }
}

TEST(SamplerTest, MinP) {
  const std::vector<float> logits = LogOf({0.05, 0.5, 0.15, 0.3});
  SamplingOptions options = Plain();
  options.min_p = 0.29f;  // of 0.5: 0.145
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1, 2, 3}));
  options.min_p = 0.31f;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1, 3}));
  options.min_p = 1;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1}));
  options.top_k = 3;
  options.min_p = 0.31f;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1, 3}));
}

TEST(SamplerTest, RepeatPenaltyDividesPositiveAndMultipliesNegativeLogits) {
  SamplingOptions options = Greedy();
  options.repeat_penalty = 2;
  EXPECT_EQ(One({3, 2}, options, {0}), 1);        // 1.5 < 2
  EXPECT_EQ(One({3, 1}, options, {0}), 0);        // 1.5 > 1
  EXPECT_EQ(One({3, 1}, options, {0, 0, 0}), 0);  // once, however often it was there
  EXPECT_EQ(One({-1, -1.5}, options, {0}), 1);    // -2 < -1.5
  EXPECT_EQ(One({-1, -2.5}, options, {0}), 0);
}

TEST(SamplerTest, PresenceOnceFrequencyPerUse) {
  SamplingOptions options = Greedy();
  options.presence_penalty = 1;
  EXPECT_EQ(One({3, 2.5}, options, {0}), 1);
  EXPECT_EQ(One({3, 1.5}, options, {0, 0, 0}), 0);
  options = Greedy();
  options.frequency_penalty = 1;
  EXPECT_EQ(One({3, 1.5}, options, {0}), 0);
  EXPECT_EQ(One({3, 1.5}, options, {0, 0}), 1);
  options.frequency_penalty = -1;
  EXPECT_EQ(One({3, 3.5}, options, {0}), 0);
}

TEST(SamplerTest, PenaltiesLookBackOverTheWindowOnly) {
  SamplingOptions options = Greedy();
  options.presence_penalty = 5;
  options.repeat_last_n = 2;
  EXPECT_EQ(One({3, 2, 1}, options, {0, 1, 2}), 0);  // 0 is out of the window
  EXPECT_EQ(One({3, 2, 1}, options, {1, 0, 2}), 1);
  options.repeat_last_n = 0;
  EXPECT_EQ(One({3, 2, 1}, options, {0, 0}), 0);
  options.repeat_last_n = -1;
  EXPECT_EQ(One({3, 2, 1}, options, std::vector<int32_t>(60, 0)), 1);

  // As tokens are accepted the oldest leave the window.
  options.repeat_last_n = 2;
  Sampler sampler(3, 64);
  const std::vector<float> logits = {3, 2, 1};
  sampler.Start(options, std::vector<int32_t>{}, {});
  std::vector<int32_t> got;
  for (int i = 0; i < 6; ++i) {
    got.push_back(sampler.Sample(logits).value());
    sampler.Accept(got.back());
  }
  EXPECT_EQ(got, (std::vector<int32_t>{0, 1, 2, 0, 1, 2}));
}

// The vocabulary is looked at in blocks, most of which are passed over.
TEST(SamplerTest, TopKOfALongVocabularyAreTheVeryBest) {
  constexpr size_t kBest = 40;
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    std::vector<float> logits(5000);
    for (float& logit : logits) logit = static_cast<float>(random() % 400) / 100.0f;  // many equal
    logits[random() % logits.size()] = std::nanf("");
    std::vector<int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::erase_if(order, [&](int32_t id) { return std::isnan(logits[static_cast<size_t>(id)]); });
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
    });
    order.resize(kBest);
    EXPECT_EQ(One(logits, Greedy()), order.front());
    SamplingOptions options = Plain();
    options.top_k = kBest;
    EXPECT_EQ(Alive(logits, options), std::set<int32_t>(order.begin(), order.end()));
  }
}

TEST(SamplerTest, BannedTokensAreNeverChosen) {
  EXPECT_EQ(One({9, 1, 2}, Greedy(), {}, {0}), 2);
  SamplingOptions options = Plain();
  options.top_k = 1;
  EXPECT_EQ(One({9, 1, 2}, options, {}, {0, 2}), 1);
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(One({9, 1, 2}, Greedy(), {}, {0, 3, -1, kMost}), 2);
}

TEST(SamplerTest, ExtremePenaltiesStayNumbers) {
  constexpr float kMost = std::numeric_limits<float>::max();
  SamplingOptions base = Plain();
  for (const float temperature : {0.0f, 1e-45f, 1.0f}) {
    base.temperature = temperature;
    SamplingOptions options = base;
    options.repeat_penalty = 1e-45f;  // the repeated token grows beyond all others
    EXPECT_EQ(One({2, 1}, options, {0, 0}), 0) << temperature;
    options = base;
    options.frequency_penalty = kMost;
    options.presence_penalty = kMost;
    EXPECT_EQ(One({2, 1}, options, {0, 0, 0}), 1) << temperature;
    options.presence_penalty = -kMost;  // against each other
    EXPECT_GE(One({2, 1}, options, {0, 0, 0}), 0) << temperature;
    options.frequency_penalty = -kMost;
    EXPECT_EQ(One({1, 2}, options, {0, 0, 0}), 0) << temperature;
  }
}

TEST(SamplerTest, LogitsThatAreNoNumbers) {
  const float nan = std::nanf("");
  EXPECT_EQ(One({nan, 1, nan, 2}, Greedy()), 3);
  SamplingOptions drawn = Plain();
  EXPECT_EQ(Alive({nan, 1, -kInf, 2}, drawn), (std::set<int32_t>{1, 3}));
  drawn.top_k = 3;
  EXPECT_EQ(Alive({nan, 1, -kInf, 2}, drawn), (std::set<int32_t>{1, 3}));
  for (const SamplingOptions& options : {Greedy(), Plain(), drawn}) {
    for (const std::vector<float>& bad :
         {std::vector<float>{nan, nan, nan, nan}, std::vector<float>{-kInf, -kInf, -kInf, -kInf},
          std::vector<float>{0, kInf, 0, 0}}) {
      Sampler sampler(4, 8);
      sampler.Start(options, {}, {});
      const Result<int32_t> token = sampler.Sample(bad);
      ASSERT_FALSE(token);
      EXPECT_EQ(token.error().kind, ErrorKind::kDevice);
    }
  }
}

TEST(SamplerTest, ASeedMeansTheSameDrawsEverywhere) {
  std::vector<float> logits(100);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>((i * 37) % 11) / 3;
  auto run = [&](Sampler& sampler, int64_t seed) {
    SamplingOptions options = Plain();
    options.top_k = 40;
    options.top_p = 0.9f;
    options.seed = seed;
    sampler.Start(options, {}, {});
    std::vector<int32_t> ids;
    for (int i = 0; i < 8; ++i) ids.push_back(sampler.Sample(logits).value());
    return ids;
  };
  Sampler sampler(100, 64);
  const std::vector<int32_t> first = run(sampler, 42);
  EXPECT_NE(run(sampler, 43), first);
  EXPECT_EQ(run(sampler, 42), first);  // whatever ran before
  Sampler other(100, 64);
  EXPECT_EQ(run(other, 42), first);
  // The numbers themselves: another machine or a later version must give these.
  EXPECT_EQ(Random(42).Next(), 1546998764402558742u);
}

TEST(SamplerTest, BiasComesBeforeAllElse) {
  Sampler sampler(3, 64);
  const std::pair<int32_t, float> bias[] = {{0, 3.0f}, {2, -kInf}, {7, 9.0f}, {0, -0.5f}};
  sampler.Start(Greedy(), {}, {}, bias);
  EXPECT_EQ(sampler.Sample(std::vector<float>{1, 3, 9}).value(), 0);  // 3.5, 3, never
  EXPECT_EQ(sampler.Sample(std::vector<float>{0, 3, 9}).value(), 1);
  sampler.Start(Greedy(), {}, {});
  EXPECT_EQ(sampler.Sample(std::vector<float>{0, 3, 9}).value(), 2);
  // A client that forbids everything is no broken device.
  const std::pair<int32_t, float> all[] = {{0, -kInf}, {1, -kInf}, {2, -kInf}};
  sampler.Start(Greedy(), {}, {}, all);
  const Result<int32_t> nothing = sampler.Sample(std::vector<float>{0, 3, 9});
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().kind, ErrorKind::kInvalid);
}

TEST(SamplerTest, OnlyAllowedTokensAreChosen) {
  std::vector<float> logits(70, 1.0f);
  logits[5] = 9;
  logits[40] = 2;
  const uint32_t allowed[] = {0, 1u << (40 - 32), 1u << (69 - 64)};
  for (SamplingOptions options : {Greedy(), Plain()}) {
    options.top_k = options.temperature > 0 ? 1 : 0;
    Sampler sampler(70, 64);
    sampler.Start(options, {}, {});
    EXPECT_EQ(sampler.Sample(logits, allowed).value(), 40);
    EXPECT_EQ(sampler.Sample(logits).value(), 5);
    const uint32_t none[] = {0, 0, 0};
    const Result<int32_t> nothing = sampler.Sample(logits, none);
    ASSERT_FALSE(nothing);
    EXPECT_EQ(nothing.error().kind, ErrorKind::kInvalid);
    EXPECT_EQ(nothing.error().message, "no token that the grammar allows can be chosen");
    const Result<int32_t> broken = sampler.Sample(std::vector<float>(70, -kInf), allowed);
    ASSERT_FALSE(broken);
    EXPECT_EQ(broken.error().kind, ErrorKind::kDevice);
  }
}

// The expected surprise here is 1.28, so the likeliest token is not the most typical one.
TEST(SamplerTest, TypicalPKeepsTheTokensNearestToTheExpectedSurprise) {
  const std::vector<float> logits = LogOf({0.5, 0.2, 0.15, 0.1, 0.05});
  SamplingOptions options = Plain();
  options.typical_p = 0.15f;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1}));
  options.typical_p = 0.3f;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{1, 2}));
  options.typical_p = 0.5f;
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{0, 1, 2}));
  options.top_p = 0.5f;  // of those that are left, the likeliest first
  EXPECT_EQ(Alive(logits, options), (std::set<int32_t>{0}));
}

TEST(SamplerTest, ATypicalPBelowZeroLeavesOneToken) {
  SamplingOptions options = Plain();
  options.typical_p = -1.0f;
  EXPECT_EQ(Alive(LogOf({0.5, 0.2, 0.15, 0.1, 0.05}), options), (std::set<int32_t>{1}));
}

TEST(SamplerTest, LogprobsAreOfTheLogitsAsTheyCame) {
  const std::vector<float> logits = LogOf({0.1, 0.4, 0.2, 0.3});
  Sampler sampler(4, 64);
  const std::pair<int32_t, float> bias[] = {{1, -kInf}};
  sampler.Start(Greedy(), {}, {}, bias);
  ASSERT_EQ(sampler.Sample(logits).value(), 3);
  std::vector<TokenLogprob> got(3);
  sampler.Logprobs(logits, 3, got);
  const std::pair<int32_t, double> wanted[] = {{3, 0.3}, {1, 0.4}, {3, 0.3}};
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].id, wanted[i].first);
    EXPECT_NEAR(got[i].logprob, std::log(wanted[i].second), 1e-5);
  }
}

}  // namespace
}  // namespace axollama::engine
