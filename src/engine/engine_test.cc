#include "engine/engine.h"

#include <gtest/gtest.h>

#include <future>

#include "engine/fakes.h"

namespace axollama::engine {
namespace {

using Ids = std::vector<int32_t>;

npu::Limits SmallLimits() {
  npu::Limits limits;
  limits.context_tokens = 64;
  limits.max_prompt_tokens = 64;
  limits.vocab = 256;
  return limits;
}

// A place where the model waits until the test lets it go on.
class Barrier {
 public:
  void Close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
    arrived_ = 0;
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  Status Pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    return {};
  }
  void AwaitArrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return arrived_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int arrived_ = 0;
};

class EngineTest : public ::testing::Test {
 protected:
  void Start(size_t max_waiting = 512) {
    std::promise<Status> loaded;
    Engine::Options options;
    options.progress = &progress_;
    options.max_waiting = max_waiting;
    engine_ = std::make_unique<Engine>(
        options,
        [this](const npu::StopCheck&) -> Result<Parts> {
          Parts parts;
          auto model = std::make_unique<FakeModel>(SmallLimits());
          model->before_row = [this, raw = model.get()]() -> Status {
            const FakeModel::Call& call = raw->calls.back();
            if (!call.decode && (prompts_.empty() || prompts_.back() != call.tokens[0])) {
              prompts_.push_back(call.tokens[0]);
            }
            if (fail_) return Fail(ErrorKind::kDevice, "the card is gone");
            return barrier_.Pass();
          };
          parts.model = std::move(model);
          parts.tokenizer = std::make_shared<FakeTokenizer>();
          return parts;
        },
        [&](const Status& status) { loaded.set_value(status); });
    ASSERT_TRUE(loaded.get_future().get());
  }

  static Request Make(Ids tokens, int64_t max_tokens = 5) {
    Request request;
    request.tokens = std::move(tokens);
    request.sampling.temperature = 0;
    request.max_tokens = max_tokens;
    return request;
  }

  static Ids Drain(Generation& generation) {
    std::string text;
    Ids tokens, all;
    while (generation.Read(&text, &tokens)) all.insert(all.end(), tokens.begin(), tokens.end());
    return all;
  }

  Progress progress_ = Progress::Private();
  Barrier barrier_;
  std::atomic<bool> fail_{false};
  Ids prompts_;  // first tokens of the prompts, in the order in which they were computed
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, AnswersAndReportsItsState) {
  Start();
  EXPECT_EQ(progress_.page().state.load(), RunnerState::kIdle);
  EXPECT_EQ(engine_->limits()->vocab, 256u);
  const auto generation = engine_->Submit(Make({1, 2})).value();
  EXPECT_EQ(Drain(*generation).size(), 5u);
  EXPECT_TRUE(generation->outcome().status);
  EXPECT_EQ(generation->outcome().timings.predicted_n, 5u);

  barrier_.Close();
  const auto next = engine_->Submit(Make({1, 2})).value();
  barrier_.AwaitArrival();
  EXPECT_EQ(progress_.page().state.load(), RunnerState::kBusy);
  barrier_.Open();
  Drain(*next);
}

TEST_F(EngineTest, RefusesBeforeItQueues) {
  Start();
  const auto refused = engine_->Submit(Make(Ids(64, 1)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kTooLong);
}

TEST_F(EngineTest, RequestsRunInOrderOfArrival) {
  Start();
  barrier_.Close();
  std::vector<std::shared_ptr<Generation>> generations;
  for (int32_t i = 0; i < 5; ++i) generations.push_back(engine_->Submit(Make({i, i})).value());
  barrier_.AwaitArrival();
  EXPECT_EQ(engine_->waiting(), 4u);
  barrier_.Open();
  for (const auto& generation : generations) EXPECT_EQ(Drain(*generation).size(), 5u);
  EXPECT_EQ(prompts_, (Ids{0, 1, 2, 3, 4}));
}

TEST_F(EngineTest, ACancelledRequestLeavesTheQueueAtOnce) {
  Start();
  barrier_.Close();
  const auto running = engine_->Submit(Make({1, 1})).value();
  barrier_.AwaitArrival();
  const auto waiting = engine_->Submit(Make({2, 2})).value();
  const auto last = engine_->Submit(Make({3, 3})).value();
  engine_->Cancel(waiting);
  EXPECT_EQ(engine_->waiting(), 1u);
  EXPECT_TRUE(Drain(*waiting).empty());  // ends although the engine is held
  EXPECT_EQ(waiting->outcome().status.error().kind, ErrorKind::kCancelled);
  barrier_.Open();
  EXPECT_EQ(Drain(*running).size(), 5u);
  EXPECT_EQ(Drain(*last).size(), 5u);
  engine_->Cancel(last);  // too late: it stays as it is
  EXPECT_TRUE(last->outcome().status);
}

TEST_F(EngineTest, ARunningRequestStopsWithinAToken) {
  Start();
  barrier_.Close();
  const auto generation = engine_->Submit(Make({1}, -1)).value();
  barrier_.AwaitArrival();  // in the first device call
  engine_->Cancel(generation);
  barrier_.Open();
  EXPECT_LE(Drain(*generation).size(), 1u);
  EXPECT_EQ(generation->outcome().status.error().kind, ErrorKind::kCancelled);
  EXPECT_LE(generation->outcome().timings.predicted_n, 1u);
}

TEST_F(EngineTest, TooManyWaiting) {
  Start(2);
  barrier_.Close();
  const auto running = engine_->Submit(Make({1, 1})).value();
  barrier_.AwaitArrival();
  ASSERT_TRUE(engine_->Submit(Make({2})));
  ASSERT_TRUE(engine_->Submit(Make({3})));
  const auto refused = engine_->Submit(Make({4}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kBusy);
  barrier_.Open();
}

TEST_F(EngineTest, ADeviceErrorEndsOneRequestOnly) {
  Start();
  fail_ = true;
  const auto broken = engine_->Submit(Make({1, 2})).value();
  Drain(*broken);
  ASSERT_FALSE(broken->outcome().status);
  EXPECT_EQ(broken->outcome().status.error().kind, ErrorKind::kDevice);
  fail_ = false;
  const auto next = engine_->Submit(Make({1, 2})).value();
  EXPECT_EQ(Drain(*next).size(), 5u);
}

TEST_F(EngineTest, StopEndsEverythingAndRefusesMore) {
  Start();
  barrier_.Close();
  const auto running = engine_->Submit(Make({1}, -1)).value();
  barrier_.AwaitArrival();
  const auto waiting = engine_->Submit(Make({2})).value();
  std::thread stopper([&] { engine_->Stop(); });
  Drain(*waiting);  // ends although the running one is held
  EXPECT_EQ(waiting->outcome().status.error().kind, ErrorKind::kUnavailable);
  barrier_.Open();
  stopper.join();
  Drain(*running);
  EXPECT_EQ(running->outcome().status.error().kind, ErrorKind::kUnavailable);
  EXPECT_FALSE(engine_->limits());
  const auto refused = engine_->Submit(Make({1}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
}

TEST_F(EngineTest, AFailedLoadIsReportedAndNothingIsServed) {
  std::promise<Status> loaded;
  Engine engine(
      {},
      [](const npu::StopCheck&) -> Result<Parts> { return Fail(ErrorKind::kNoMemory, "too big"); },
      [&](const Status& status) { loaded.set_value(status); });
  const Status status = loaded.get_future().get();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "too big");
  const auto refused = engine.Submit(Make({1}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnavailable);
}

TEST_F(EngineTest, ASlowReaderGetsEverythingInOrder) {
  Start();
  const auto generation = engine_->Submit(Make({1, 2}, 40)).value();
  const auto marker = engine_->Submit(Make({9}, 1)).value();
  Drain(*marker);  // the first one has ended, unread
  std::string text;
  Ids tokens;
  ASSERT_TRUE(generation->Read(&text, &tokens));
  EXPECT_EQ(tokens.size(), 40u);
  EXPECT_FALSE(generation->Read(&text, &tokens));
  EXPECT_TRUE(text.empty());
  EXPECT_TRUE(tokens.empty());
}

}  // namespace
}  // namespace axollama::engine
