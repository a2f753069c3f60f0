#include "engine/constraint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/fakes.h"
#include "engine/generator.h"

namespace axollama::engine {
namespace {

using Call = FakeModel::Call;
using Ids = std::vector<int32_t>;

constexpr int32_t kEos = 260;

class Collected : public PieceSink {
 public:
  void OnToken(int32_t id, std::span<const TokenLogprob> logprobs) override {
    tokens.push_back(id);
    all_logprobs.emplace_back(logprobs.begin(), logprobs.end());
  }
  void OnText(std::string_view piece) override { text += piece; }
  Ids tokens;
  std::vector<std::vector<TokenLogprob>> all_logprobs;
  std::string text;
};

struct Answered {
  Outcome outcome;
  Collected seen;
  std::vector<Call> calls;
};

// Of the prompt {1}; ids 256 to 259 are the words.
Answered Answer(
    std::string pattern, FakeModel::LogitsOf logits,
    const std::function<void(Request&)>& change = [](Request&) {},
    std::vector<std::string> words = {}) {
  npu::Limits limits;
  limits.context_tokens = 32;
  limits.chunk_tokens = 8;
  limits.max_prompt_tokens = 24;
  limits.vocab = 300;
  FakeModel model(limits, std::move(logits));
  words.resize(4);
  const FakeTokenizer tokenizer(std::move(words), {"<|end|>"});
  GeneratorOptions options;
  options.tokenizer = &tokenizer;
  options.eos_ids = {kEos};
  Generator generator(model, options);
  Request request;
  request.tokens = {1};
  request.sampling.temperature = 0;
  request.grammar = std::make_shared<FakeGrammar>(std::move(pattern), Ids{kEos});
  change(request);
  Answered answered;
  answered.outcome = generator.Run(request, [] { return false; }, answered.seen);
  answered.calls = model.calls;
  return answered;
}

TEST(ConstraintTest, TheAnswerEndsWhereNothingCanFollow) {
  const Answered answered = Answer("{??}", FakeModel::Mixed);
  ASSERT_TRUE(answered.outcome.status) << answered.outcome.status.error().message;
  ASSERT_EQ(answered.seen.text.size(), 4u);
  EXPECT_EQ(answered.seen.text[0], '{');
  EXPECT_EQ(answered.seen.text[3], '}');
  EXPECT_EQ(answered.outcome.stop, StopType::kEos);
  EXPECT_EQ(answered.outcome.timings.predicted_n, 4u);
  EXPECT_EQ(answered.calls.size(), 3u);  // the last two tokens need no rows
}

TEST(ConstraintTest, ForcedTokensGoThroughOneChunk) {
  const Answered answered = Answer("?bcdef?", FakeModel::Mixed);
  ASSERT_TRUE(answered.outcome.status);
  const Ids& tokens = answered.seen.tokens;
  ASSERT_EQ(tokens.size(), 7u);
  EXPECT_EQ(
      answered.calls,
      (std::vector<Call>{{true, 0, {1}}, {false, 1, Ids(tokens.begin(), tokens.begin() + 6)}}));
  // One by one, as for probabilities, they are the same.
  const Answered single =
      Answer("?bcdef?", FakeModel::Mixed, [](Request& request) { request.logprobs = 1; });
  EXPECT_EQ(single.seen.tokens, tokens);
  EXPECT_EQ(single.calls.size(), 7u);
}

TEST(ConstraintTest, AFewForcedTokensAreQuickerOneByOne) {
  const Answered answered = Answer("?bc?", FakeModel::Mixed);
  const Ids& tokens = answered.seen.tokens;
  ASSERT_EQ(tokens.size(), 4u);
  EXPECT_EQ(answered.calls,
            (std::vector<Call>{
                {true, 0, {1}}, {true, 1, {tokens[0]}}, {true, 2, {'b'}}, {true, 3, {'c'}}}));
}

TEST(ConstraintTest, LimitsHoldAmongForcedTokens) {
  Answered answered =
      Answer("abcdefgh", FakeModel::Mixed, [](Request& request) { request.max_tokens = 3; });
  EXPECT_EQ(answered.seen.text, "abc");
  EXPECT_EQ(answered.outcome.stop, StopType::kLimit);
  EXPECT_EQ(answered.outcome.timings.predicted_n, 3u);
  // The context: one token of prompt, 31 of answer.
  answered = Answer(std::string(100, 'x'), FakeModel::Mixed);
  EXPECT_EQ(answered.seen.text, std::string(31, 'x'));
  EXPECT_EQ(answered.outcome.stop, StopType::kLimit);
  // A context that may be shifted.
  for (const std::string_view part : {"x", "?x", "?xxxxx", "??????x"}) {
    std::string pattern;
    while (pattern.size() < 100) pattern += part;
    answered = Answer(pattern, FakeModel::Mixed, [](Request& request) {
      request.shift = true;
      request.keep_tokens = 1;
    });
    ASSERT_TRUE(answered.outcome.status) << answered.outcome.status.error().message;
    EXPECT_EQ(answered.seen.text.size(), pattern.size());
    EXPECT_GT(answered.outcome.shifts, 0u);
    for (const Call& call : answered.calls) EXPECT_LE(call.history + call.tokens.size(), 31u);
  }
  // A stop string.
  answered = Answer("abcdefgh", FakeModel::Mixed, [](Request& request) { request.stop = {"de"}; });
  EXPECT_EQ(answered.seen.text, "abc");
  EXPECT_EQ(answered.outcome.stop, StopType::kWord);
}

TEST(ConstraintTest, TheAnswerMayEndOnlyWhereTheGrammarLetsIt) {
  // This model always wants to end.
  const Answered answered = Answer("?b+", FakeModel::Scripted(1, {}, kEos));
  EXPECT_EQ(answered.seen.text, "ab");  // of equals the lowest id
  EXPECT_EQ(answered.outcome.stop, StopType::kEos);
  EXPECT_EQ(answered.outcome.timings.predicted_n, 3u);
}

TEST(ConstraintTest, ErrorsOfTheGrammarEndTheAnswer) {
  Answered answered = Answer("ab!", FakeModel::Mixed);
  ASSERT_FALSE(answered.outcome.status);
  EXPECT_EQ(answered.outcome.status.error().message, "the grammar is too complex");
  answered = Answer("??", FakeModel::Mixed, [](Request& request) {
    for (int32_t id = 'a'; id <= 'z'; ++id) {
      request.logit_bias.emplace_back(id, -std::numeric_limits<float>::infinity());
    }
  });
  ASSERT_FALSE(answered.outcome.status);
  EXPECT_EQ(answered.outcome.status.error().kind, ErrorKind::kInvalid);
}

Ids Bytes(std::string_view text) {
  Ids ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

void AfterThinking(Request& request) { request.grammar_after = "</t>"; }

TEST(ConstraintTest, ThinkingIsFreeAndTheAnswerIsNot) {
  for (const std::string_view space : {"", "\n\n", " \n\t ", "    "}) {
    const Answered answered =
        Answer("ab?", FakeModel::Scripted(1, Bytes("Hm<</t></t>" + std::string(space) + "Z"), kEos),
               AfterThinking);
    ASSERT_TRUE(answered.outcome.status) << answered.outcome.status.error().message;
    EXPECT_EQ(answered.seen.text.substr(0, 7), "Hm<</t>");
    EXPECT_TRUE(answered.seen.text.ends_with("aba")) << answered.seen.text;
    EXPECT_EQ(answered.outcome.stop, StopType::kEos);
  }
}

TEST(ConstraintTest, FourSpacesMayStandBeforeTheAnswer) {
  const Answered answered =
      Answer("ab?", FakeModel::Scripted(1, Bytes("</t>      Z"), kEos), AfterThinking);
  EXPECT_EQ(answered.seen.text, "</t>    aba");
}

TEST(ConstraintTest, WhatTheGrammarTakesIsNoSpaceBeforeIt) {
  const Answered answered =
      Answer(" ab", FakeModel::Scripted(1, Bytes("</t>  Z"), kEos), AfterThinking);
  EXPECT_EQ(answered.seen.text, "</t> ab");
}

TEST(ConstraintTest, ThinkingDoesNotEndTheAnswer) {
  // It would like to end at once; of the others, all equal, id 0 is the lowest.
  const Answered answered = Answer("ab", FakeModel::Scripted(1, {}, kEos), [](Request& request) {
    AfterThinking(request);
    request.max_tokens = 3;
  });
  EXPECT_EQ(answered.seen.tokens, (Ids{0, 0, 0}));
  EXPECT_EQ(answered.outcome.stop, StopType::kLimit);
}

TEST(ConstraintTest, ATokenMayNotGoOnBehindTheThinking) {
  const std::vector<std::string> words = {"t>Sure", "t>\n", "t>\n\n\n\n\n"};
  const auto wants = [](Ids answer) {
    return [answer](std::span<const int32_t> tokens, std::span<float> logits) {
      std::fill(logits.begin(), logits.end(), 0.0f);
      const size_t at = tokens.size() - 1;
      if (at < answer.size()) logits[static_cast<size_t>(answer[at])] = 10;
      logits['a'] = 1;
      logits['t'] = 5;  // the second best
    };
  };
  Answered answered = Answer("ab", wants({'<', '/', 256, '>'}), AfterThinking, words);
  EXPECT_EQ(answered.seen.text, "</t>ab");
  answered = Answer("ab", wants({'<', '/', 258, '>'}), AfterThinking, words);
  EXPECT_EQ(answered.seen.text, "</t>ab");
  answered = Answer("ab", wants({'<', '/', 257}), AfterThinking, words);
  EXPECT_EQ(answered.seen.text, "</t>\nab");
}

TEST(ConstraintTest, LogprobsComeWithEachToken) {
  const Answered answered = Answer("a?", FakeModel::Scripted(1, {'x', 'y'}, kEos),
                                   [](Request& request) { request.logprobs = 2; });
  ASSERT_EQ(answered.seen.all_logprobs.size(), 2u);
  // One logit is 10, 299 are 0.
  const double total = std::log(std::exp(10.0) + 299);
  const std::vector<TokenLogprob>& first = answered.seen.all_logprobs[0];
  ASSERT_EQ(first.size(), 3u);
  EXPECT_EQ(first[0].id, 'a');  // what the grammar forced
  EXPECT_NEAR(first[0].logprob, -total, 1e-4);
  EXPECT_EQ(first[1].id, 'x');
  EXPECT_NEAR(first[1].logprob, 10 - total, 1e-4);
  EXPECT_EQ(first[2].id, 0);
  EXPECT_EQ(answered.seen.all_logprobs[1][0].id, 'y');
}

TEST(ConstraintTest, BadRequestsAreNamed) {
  npu::Limits limits;
  limits.context_tokens = 32;
  limits.vocab = 300;
  Request request;
  request.tokens = {1};
  request.logit_bias = {{300, 1.0f}};
  Status status = CheckRequest(request, limits);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "\"logit_bias\" names token 300, and the model knows 0 to 299");
  request.logit_bias.clear();
  request.logprobs = 21;
  EXPECT_FALSE(CheckRequest(request, limits));
}

}  // namespace
}  // namespace axollama::engine
