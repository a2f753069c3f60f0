#include "engine/generator.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>

#include "engine/fakes.h"

namespace axollama::engine {
namespace {

using Call = FakeModel::Call;
using Ids = std::vector<int32_t>;

constexpr int32_t kEos = 260;

npu::Limits SmallLimits() {
  npu::Limits limits;
  limits.context_tokens = 32;
  limits.chunk_tokens = 8;
  limits.max_prompt_tokens = 24;
  limits.vocab = 300;
  return limits;
}

class Collected : public PieceSink {
 public:
  void OnToken(int32_t id, std::span<const TokenLogprob>) override { tokens.push_back(id); }
  void OnText(std::string_view piece) override {
    EXPECT_FALSE(piece.empty());
    text += piece;
    pieces.emplace_back(piece);
  }
  Ids tokens;
  std::string text;
  std::vector<std::string> pieces;
};

bool Never() { return false; }

Request Greedy(Ids tokens, int64_t max_tokens = 4) {
  Request request;
  request.tokens = std::move(tokens);
  request.sampling.temperature = 0;
  request.max_tokens = max_tokens;
  return request;
}

GeneratorOptions With(const text::Tokenizer* tokenizer) {
  GeneratorOptions options;
  options.tokenizer = tokenizer;
  options.eos_ids = {kEos};
  return options;
}

// Answers a one-token prompt with the tokens given.
struct Answered {
  Outcome outcome;
  Collected seen;
};
Answered Answer(
    const Ids& answer, const std::vector<std::string>& words,
    const std::function<void(Request&)>& change = [](Request&) {}) {
  FakeModel model(SmallLimits(), FakeModel::Scripted(1, answer, kEos));
  std::vector<std::string> padded = words;
  padded.resize(4);
  const FakeTokenizer tokenizer(padded, {"<|end|>", "<|other|>"});
  Generator generator(model, With(&tokenizer));
  Request request = Greedy({1}, -1);
  change(request);
  Answered answered;
  answered.outcome = generator.Run(request, Never, answered.seen);
  EXPECT_TRUE(answered.outcome.status) << answered.outcome.status.error().message;
  return answered;
}

TEST(GeneratorTest, RefusesWhatCannotRun) {
  const npu::Limits limits = SmallLimits();
  Status status = CheckRequest(Greedy({}), limits);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kInvalid);
  for (const int32_t bad : {-1, 300}) {
    status = CheckRequest(Greedy({1, bad}), limits);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, ErrorKind::kInvalid);
    EXPECT_NE(status.error().message.find("token " + std::to_string(bad)), std::string::npos);
  }
  EXPECT_TRUE(CheckRequest(Greedy(Ids(31, 1)), limits));
  status = CheckRequest(Greedy(Ids(32, 1)), limits);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::kTooLong);
  EXPECT_EQ(status.error().message,
            "the prompt is too long: it has 32 tokens, and the context holds 32 with the answer");
}

TEST(GeneratorTest, PrefillsThenDecodesAtTheRightPositions) {
  FakeModel model(SmallLimits(), FakeModel::Scripted(3, {7, 8, 9}, kEos));
  Generator generator(model, With(nullptr));
  Collected seen;
  const Outcome outcome = generator.Run(Greedy({1, 2, 3}, -1), Never, seen);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(seen.tokens, (Ids{7, 8, 9}));
  EXPECT_TRUE(seen.text.empty());
  EXPECT_EQ(outcome.stop, StopType::kEos);
  EXPECT_EQ(
      model.calls,
      (std::vector<Call>{{false, 0, {1, 2, 3}}, {true, 3, {7}}, {true, 4, {8}}, {true, 5, {9}}}));
  EXPECT_EQ(outcome.timings.cache_n, 0u);
  EXPECT_EQ(outcome.timings.prompt_n, 3u);
  EXPECT_EQ(outcome.timings.predicted_n, 4u);  // the end itself is one
  EXPECT_EQ(outcome.tokens_cached, 6u);
  EXPECT_GE(outcome.timings.prompt_ms, 0);
  EXPECT_GE(outcome.timings.predicted_ms, 0);
}

TEST(GeneratorTest, ReusesTheLongestCommonPrefix) {
  FakeModel model(SmallLimits());
  Generator generator(model, With(nullptr));
  Collected first;
  ASSERT_TRUE(generator.Run(Greedy({1, 2, 3, 4}, 3), Never, first).status);
  ASSERT_EQ(first.tokens.size(), 3u);

  // The prompt goes on where the last one ended: prompt and all but the last answer token are
  // there.
  Ids next = {1, 2, 3, 4};
  next.insert(next.end(), first.tokens.begin(), first.tokens.end());
  next.push_back(5);
  model.calls.clear();
  Collected second;
  Outcome outcome = generator.Run(Greedy(next, 2), Never, second);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.timings.cache_n, 6u);
  EXPECT_EQ(outcome.timings.prompt_n, 2u);
  EXPECT_EQ(model.calls[0], (Call{false, 6, {first.tokens[2], 5}}));

  // The same prompt again: its last token is computed anew.
  model.calls.clear();
  Collected third;
  outcome = generator.Run(Greedy(next, 2), Never, third);
  EXPECT_EQ(outcome.timings.cache_n, 7u);
  EXPECT_EQ(outcome.timings.prompt_n, 1u);
  EXPECT_EQ(model.calls[0], (Call{true, 7, {5}}));
  EXPECT_EQ(third.tokens, second.tokens);

  // A prompt that is a prefix of what is there.
  model.calls.clear();
  outcome = generator.Run(Greedy({1, 2}, 1), Never, third);
  EXPECT_EQ(outcome.timings.cache_n, 1u);
  EXPECT_EQ(outcome.tokens_cached, 2u);
  EXPECT_EQ(model.calls[0], (Call{true, 1, {2}}));

  // One that differs from the first token on.
  model.calls.clear();
  outcome = generator.Run(Greedy({9, 2}, 1), Never, third);
  EXPECT_EQ(outcome.timings.cache_n, 0u);
  EXPECT_EQ(model.calls[0], (Call{false, 0, {9, 2}}));

  Request fresh = Greedy({9, 2}, 1);
  fresh.reuse_prefix = false;
  outcome = generator.Run(fresh, Never, third);
  EXPECT_EQ(outcome.timings.cache_n, 0u);
  EXPECT_EQ(outcome.timings.prompt_n, 2u);
}

// Whatever ran before, a prompt and a seed give the same tokens.
TEST(GeneratorTest, TheAnswerDoesNotDependOnWhatRanBefore) {
  Request request;
  request.tokens = {1, 2, 3, 4, 5};
  request.max_tokens = 12;
  request.sampling.seed = 11;
  request.sampling.repeat_penalty = 1.2f;
  auto run = [&](const std::vector<Request>& before) {
    FakeModel model(SmallLimits());
    Generator generator(model, With(nullptr));
    Collected seen;
    for (const Request& other : before) {
      EXPECT_TRUE(generator.Run(other, Never, seen).status);
    }
    seen.tokens.clear();
    EXPECT_TRUE(generator.Run(request, Never, seen).status);
    return seen.tokens;
  };
  const Ids alone = run({});
  EXPECT_EQ(alone.size(), 12u);
  EXPECT_EQ(run({request}), alone);
  EXPECT_EQ(run({Greedy({1, 2, 3}, 5), Greedy({1, 2, 3, 4, 5, 6}, 2)}), alone);
}

TEST(GeneratorTest, BeyondThePrefillsReachThePromptIsDecoded) {
  FakeModel model(SmallLimits());
  Generator generator(model, With(nullptr));
  Ids prompt(26);
  std::iota(prompt.begin(), prompt.end(), 1);
  Collected seen;
  const Outcome outcome = generator.Run(Greedy(prompt, 1), Never, seen);
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  ASSERT_EQ(model.calls.size(), 3u);
  EXPECT_EQ(model.calls[0], (Call{false, 0, Ids(prompt.begin(), prompt.begin() + 24)}));
  EXPECT_EQ(model.calls[1], (Call{true, 24, {25}}));
  EXPECT_EQ(model.calls[2], (Call{true, 25, {26}}));
  EXPECT_EQ(outcome.timings.prompt_n, 26u);
}

TEST(GeneratorTest, LimitsEndTheAnswer) {
  FakeModel model(SmallLimits());
  Generator generator(model, With(nullptr));
  Collected seen;
  Outcome outcome = generator.Run(Greedy({1}, 5), Never, seen);
  EXPECT_EQ(outcome.stop, StopType::kLimit);
  EXPECT_EQ(seen.tokens.size(), 5u);
  EXPECT_EQ(outcome.timings.predicted_n, 5u);

  // The context: prompt and answer are 32 together, never more.
  seen.tokens.clear();
  Request request = Greedy(Ids(20, 3), -1);
  request.ignore_eos = true;
  outcome = generator.Run(request, Never, seen);
  EXPECT_EQ(outcome.stop, StopType::kLimit);
  EXPECT_EQ(seen.tokens.size(), 12u);
  EXPECT_EQ(outcome.tokens_cached, 31u);

  seen.tokens.clear();
  outcome = generator.Run(Greedy({1, 2}, 0), Never, seen);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.stop, StopType::kLimit);
  EXPECT_TRUE(seen.tokens.empty());
  EXPECT_EQ(outcome.tokens_cached, 2u);
}

TEST(GeneratorTest, ARequestMayHaveLessContext) {
  FakeModel model(SmallLimits());
  Generator generator(model, With(nullptr));
  Collected seen;
  Request request = Greedy(Ids(5, 3), -1);
  request.ignore_eos = true;
  request.context_tokens = 16;
  EXPECT_EQ(generator.Run(request, Never, seen).stop, StopType::kLimit);
  EXPECT_EQ(seen.tokens.size(), 11u);
  request.tokens = Ids(16, 3);
  EXPECT_EQ(CheckRequest(request, SmallLimits()).error().kind, ErrorKind::kTooLong);
  request.context_tokens = 99;
  EXPECT_EQ(ContextOf(request, SmallLimits()), 32u);
}

TEST(GeneratorTest, AShiftForgetsTheOlderHalf) {
  FakeModel model(SmallLimits());
  Generator generator(model, With(nullptr));
  Collected seen;
  Ids prompt(10);
  std::iota(prompt.begin(), prompt.end(), 1);
  Request request = Greedy(prompt, 60);
  request.ignore_eos = true;
  request.shift = true;
  request.keep_tokens = 3;
  const Outcome outcome = generator.Run(request, Never, seen);
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  EXPECT_EQ(seen.tokens.size(), 60u);
  EXPECT_EQ(outcome.shifts, 3u);
  // What comes after the first shift is what follows what is left of it: the first 3 of 31 rows,
  // the newer half of the other 28, and the token that found no room.
  Ids whole = prompt;
  whole.insert(whole.end(), seen.tokens.begin(), seen.tokens.end());
  Ids left(whole.begin(), whole.begin() + 3);
  left.insert(left.end(), whole.begin() + 17, whole.begin() + 32);
  FakeModel other(SmallLimits());
  Generator fresh(other, With(nullptr));
  Collected after;
  Request rest = Greedy(left, 14);
  rest.ignore_eos = true;
  ASSERT_TRUE(fresh.Run(rest, Never, after).status);
  EXPECT_EQ(after.tokens, Ids(seen.tokens.begin() + 22, seen.tokens.begin() + 36));
}

TEST(GeneratorTest, AShiftAlwaysMakesRoom) {
  for (const int64_t keep : {int64_t{-1}, int64_t{0}, int64_t{29}, int64_t{1} << 40}) {
    for (const uint32_t context : {2u, 3u, 4u, 5u, 32u}) {
      FakeModel model(SmallLimits());
      Generator generator(model, With(nullptr));
      Collected seen;
      Request request = Greedy(Ids(context - 1, 7), 50);
      request.ignore_eos = true;
      request.context_tokens = context;
      request.shift = true;
      request.keep_tokens = keep;
      const Outcome outcome = generator.Run(request, Never, seen);
      ASSERT_TRUE(outcome.status) << outcome.status.error().message;
      EXPECT_EQ(seen.tokens.size(), 50u) << keep << " " << context;
      for (const Call& call : model.calls) {
        EXPECT_LE(call.history + call.tokens.size(), context - 1);
      }
    }
  }
}

TEST(GeneratorTest, IgnoreEosNeverChoosesIt) {
  const Answered answered = Answer({'a'}, {}, [](Request& request) {
    request.ignore_eos = true;
    request.max_tokens = 5;
  });
  EXPECT_EQ(answered.outcome.stop, StopType::kLimit);
  EXPECT_EQ(answered.seen.tokens, (Ids{'a', 0, 0, 0, 0}));  // all others are equal: the lowest id
}

TEST(GeneratorTest, TextArrivesInWholeCharacters) {
  // U+1F600 in four tokens, then a word.
  const Answered answered = Answer({0xf0, 0x9f, 0x98, 0x80, 256, 257}, {"hé", "llo"});
  EXPECT_EQ(answered.seen.pieces, (std::vector<std::string>{"\xf0\x9f\x98\x80", "hé", "llo"}));
  EXPECT_EQ(answered.seen.tokens.size(), 6u);
  EXPECT_EQ(answered.outcome.stop, StopType::kEos);
}

TEST(GeneratorTest, AnUnfinishedCharacterBecomesAReplacement) {
  const Answered answered = Answer({'a', 0xf0, 0x9f}, {});
  EXPECT_EQ(answered.seen.text, "a\xef\xbf\xbd");
}

TEST(GeneratorTest, SpecialAndPaddedTokensHaveNoText) {
  const Answered answered = Answer({'a', 261, 290, 'b'}, {});
  EXPECT_EQ(answered.seen.text, "ab");
  EXPECT_EQ(answered.seen.tokens, (Ids{'a', 261, 290, 'b'}));
}

TEST(GeneratorTest, SpecialTokensThatAreAskedForHaveTheirText) {
  const Answered answered =
      Answer({'a', 261, 'b'}, {}, [](Request& request) { request.shown = {261}; });
  EXPECT_EQ(answered.seen.text, "a<|other|>b");
}

TEST(GeneratorTest, StopStringsCutTheTextWhereverTokensEnd) {
  const Answered answered = Answer({256, 257, 258, 'x', 'y'}, {"Hello\n", "\nUs", "er: hi"},
                                   [](Request& request) { request.stop = {"never", "\n\nUser:"}; });
  EXPECT_EQ(answered.seen.text, "Hello");
  EXPECT_EQ(answered.seen.pieces, (std::vector<std::string>{"Hello"}));
  EXPECT_EQ(answered.outcome.stop, StopType::kWord);
  EXPECT_EQ(answered.outcome.stopping_word, "\n\nUser:");
  EXPECT_EQ(answered.outcome.timings.predicted_n, 3u);
}

TEST(GeneratorTest, HeldBackTextIsShownWhenTheAnswerEndsOtherwise) {
  const Answered answered =
      Answer({'g', 'o', 'S', 'T'}, {}, [](Request& request) { request.stop = {"STOP"}; });
  EXPECT_EQ(answered.seen.text, "goST");
  EXPECT_EQ(answered.outcome.stop, StopType::kEos);
}

TEST(GeneratorTest, AStopStringOverCharactersCutInTokens) {
  // "é" is c3 a9; the stop begins with it.
  const Answered answered =
      Answer({'a', 0xc3, 0xa9, '!', 'b'}, {}, [](Request& request) { request.stop = {"é!"}; });
  EXPECT_EQ(answered.seen.text, "a");
  EXPECT_EQ(answered.outcome.stopping_word, "é!");
}

TEST(GeneratorTest, ASpecialTokenCanBeAStop) {
  const Answered answered = Answer({'a', 261, 'b'}, {}, [](Request& request) {
    request.stop = {"x", "<|other|>"};
    request.stop_tokens = {{261, 1}};
  });
  EXPECT_EQ(answered.seen.text, "a");
  EXPECT_EQ(answered.seen.tokens, (Ids{'a'}));
  EXPECT_EQ(answered.outcome.stop, StopType::kWord);
  EXPECT_EQ(answered.outcome.stopping_word, "<|other|>");
}

TEST(GeneratorTest, CancellationStopsWithinOneTokenAndKeepsWhatWasComputed) {
  FakeModel model(SmallLimits());
  Generator generator(model, With(nullptr));
  Collected seen;
  Request request = Greedy({1, 2, 3}, -1);
  request.ignore_eos = true;
  Outcome outcome = generator.Run(request, [&] { return seen.tokens.size() == 4; }, seen);
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(seen.tokens.size(), 4u);
  EXPECT_EQ(outcome.tokens_cached, 6u);  // the fourth token was not computed any more

  // In the middle of a prompt: the rows from its beginning on are undefined.
  int asked = 0;
  outcome = generator.Run(Greedy({1, 2, 9, 9, 9, 9}), [&] { return ++asked == 3; }, seen);
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.tokens_cached, 2u);
  outcome = generator.Run(Greedy({1, 2, 9, 9, 9, 9}), Never, seen);
  ASSERT_TRUE(outcome.status) << outcome.status.error().message;
  EXPECT_EQ(outcome.timings.cache_n, 2u);
}

TEST(GeneratorTest, AfterAnErrorTheCacheIsForgotten) {
  FakeModel model(SmallLimits());
  Generator generator(model, With(nullptr));
  Collected seen;
  ASSERT_TRUE(generator.Run(Greedy({1, 2, 3, 4}), Never, seen).status);
  model.before_row = [&]() -> Status { return Fail(ErrorKind::kDevice, "broken"); };
  Outcome outcome = generator.Run(Greedy({1, 2, 3, 4, 5, 6}), Never, seen);
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().message, "broken");
  EXPECT_EQ(outcome.tokens_cached, 0u);
  model.before_row = nullptr;
  outcome = generator.Run(Greedy({1, 2, 3, 4, 5, 6}), Never, seen);
  ASSERT_TRUE(outcome.status);
  EXPECT_EQ(outcome.timings.cache_n, 0u);
}

class CountingGate : public device::CardGate {
 public:
  Status AcquireLoad(std::chrono::milliseconds, const std::function<bool()>&) override {
    return {};
  }
  void ReleaseLoad() override {}
  Status Enter(const std::function<bool()>& stop) override {
    ++enters;
    if (stop()) return Fail(ErrorKind::kCancelled, "stopped");
    ++inside;
    return {};
  }
  void Leave() override { --inside; }
  Status Yield(const std::function<bool()>&) override {
    EXPECT_EQ(inside, 1);
    ++yields;
    return {};
  }
  int enters = 0, yields = 0, inside = 0;
};

TEST(GeneratorTest, TheGateIsHeldForARequestAndYieldedBetweenTokens) {
  FakeModel model(SmallLimits());
  CountingGate gate;
  Progress progress = Progress::Private();
  GeneratorOptions options = With(nullptr);
  options.gate = &gate;
  options.progress = &progress;
  Generator generator(model, options);
  Collected seen;
  model.before_row = [&]() -> Status {
    EXPECT_EQ(gate.inside, 1);
    return {};
  };
  Request request = Greedy({1, 2}, 4);
  request.ignore_eos = true;
  ASSERT_TRUE(generator.Run(request, Never, seen).status);
  EXPECT_EQ(gate.enters, 1);
  EXPECT_EQ(gate.yields, 3);
  EXPECT_EQ(gate.inside, 0);
  EXPECT_GT(progress.page().last_progress_ns.load(), 0);

  const Outcome outcome = generator.Run(request, [] { return true; }, seen);
  ASSERT_FALSE(outcome.status);
  EXPECT_EQ(outcome.status.error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(gate.inside, 0);
}

}  // namespace
}  // namespace axollama::engine
