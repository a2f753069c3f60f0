#include "npu/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>

#include "npu/fake_device.h"
#include "npu/model_fixture.h"

namespace axollama::npu {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(ModelTest, Limits) {
  const auto model = Loaded();
  EXPECT_EQ(model->limits().context_tokens, 32u);
  EXPECT_EQ(model->limits().chunk_tokens, 4u);
  EXPECT_EQ(model->limits().max_prompt_tokens, 20u);
  EXPECT_EQ(model->limits().vocab, 11u);
  EXPECT_EQ(model->limits().hidden, 6u);
  EXPECT_EQ(model->limits().layers, 3u);
  EXPECT_EQ(model->logits().size(), 0u);  // nothing is computed yet
  // 3 layers and the post file, caches, and the buffers of steps, chunks and logits.
  const uint64_t step = 2 * 12 + 4 + 64 + 2 * 8, chunk = 2 * 48 + 16 + 160 + 2 * 32;
  EXPECT_EQ(model->cmm_bytes(), 6000 + 3 * 2 * 31 * 8 + step + chunk + 22 + 32);
}

TEST_F(ModelTest, DecodesToTheLastPositionOfTheContext) {
  const auto model = Loaded();
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    ASSERT_TRUE(model->Decode(tokens_[i], i));
    ExpectLogitsOf(*model, i);
  }
  const Status beyond = model->Decode(0, 32);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().kind, ErrorKind::kTooLong);
  EXPECT_THAT(beyond.error().message, AllOf(HasSubstr("33"), HasSubstr("32")));
}

TEST_F(ModelTest, EveryWayToCutAPromptGivesTheSameLogits) {
  const auto model = Loaded();
  for (size_t length = 1; length <= tokens_.size(); ++length) {
    ASSERT_TRUE(model->Prefill(Tokens(0, length), 0, nullptr));
    ExpectLogitsOf(*model, length - 1);
  }
  for (size_t history = 1; history < tokens_.size(); ++history) {
    ASSERT_TRUE(
        model->Prefill(Tokens(history, tokens_.size()), static_cast<uint32_t>(history), nullptr));
    ExpectLogitsOf(*model, tokens_.size() - 1);
  }
}

TEST_F(ModelTest, UsesTheSmallestSufficientGroupAndThenSteps) {
  const auto model = Loaded();
  device_.record = true;
  ASSERT_TRUE(model->Prefill(Tokens(0, 22), 0, nullptr));
  // Chunks after histories of 0, 4, 8, 12 and 16 rows; tokens 20 and 21 are beyond the ladder.
  std::vector<std::string> expected;
  for (const char* group : {":g1", ":g2", ":g3", ":g4", ":g4", ":g0", ":g0"}) {
    for (int layer = 0; layer < 3; ++layer) expected.push_back("l" + std::to_string(layer) + group);
  }
  expected.push_back("post");
  EXPECT_EQ(device_.executed, expected);
  device_.executed.clear();
  // One more token is a step, not a chunk.
  ASSERT_TRUE(model->Prefill(Tokens(3, 4), 3, nullptr));
  EXPECT_THAT(device_.executed, ElementsAre("l0:g0", "l1:g0", "l2:g0", "post"));
}

TEST_F(ModelTest, OnRowSeesTheLogitsOfEveryRow) {
  const auto model = Loaded();
  for (const size_t length : {size_t{6}, tokens_.size()}) {
    std::vector<size_t> rows;
    ASSERT_TRUE(model->Prefill(Tokens(0, length), 0, nullptr, [&](size_t row) -> Status {
      rows.push_back(row);
      ExpectLogitsOf(*model, row);
      return {};
    }));
    std::vector<size_t> all(length);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(rows, all);
  }
  const Status failed = model->Prefill(Tokens(0, 6), 0, nullptr, [](size_t row) -> Status {
    if (row == 1) return Fail(ErrorKind::kIo, "no");
    return {};
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, ErrorKind::kIo);
}

TEST_F(ModelTest, AnOldLongerCacheDoesNotShine) {
  const auto model = Loaded();
  ASSERT_TRUE(model->Prefill(Tokens(0, 30), 0, nullptr));
  ASSERT_TRUE(model->Prefill(Tokens(0, 7), 0, nullptr));
  ExpectLogitsOf(*model, 6);
  ASSERT_TRUE(model->Decode(tokens_[7], 7));
  ExpectLogitsOf(*model, 7);
  ASSERT_TRUE(model->Decode(tokens_[3], 3));
  ExpectLogitsOf(*model, 3);
}

TEST_F(ModelTest, ADecodeTokenIsCheapAndExactlyCounted) {
  const auto model = Loaded();
  ASSERT_TRUE(model->Prefill(Tokens(0, 5), 0, nullptr));
  const Counters& counters = model->counters();
  const uint64_t calls = counters.device_calls, up = counters.bytes_up, down = counters.bytes_down;
  const uint64_t device_calls = device_.calls;
  const uint64_t allocated = CountedAllocations();
  for (uint32_t i = 5; i < 15; ++i) {
    if (!model->Decode(tokens_[i], i)) FAIL();
  }
  EXPECT_EQ(CountedAllocations(), allocated);
  EXPECT_EQ(counters.device_calls - calls, 10 * (3 * 3 + 5));
  EXPECT_LE(counters.device_calls - calls, 10 * (3 * sizes_.layers + 6));
  EXPECT_EQ(device_.calls - device_calls, counters.device_calls - calls);
  EXPECT_EQ(counters.bytes_up - up, 10u * (6 * 2 + 4 + 32 * 2));
  EXPECT_EQ(counters.bytes_down - down, 10u * 11 * 2);
  EXPECT_GT(counters.execute_ns, 0u);
}

TEST_F(ModelTest, PrefillDoesNotAllocateEither) {
  const auto model = Loaded();
  const StopCheck stop = [] { return false; };
  const uint64_t allocated = CountedAllocations();
  if (!model->Prefill(Tokens(0, 24), 0, stop)) FAIL();
  EXPECT_EQ(CountedAllocations(), allocated);
  const uint64_t up = model->counters().bytes_up;
  if (!model->Prefill(Tokens(0, 4), 0, stop)) FAIL();
  EXPECT_EQ(model->counters().bytes_up - up, 4u * 6 * 2 + 4 * 4 + 4 * 5 * 2);
}

TEST_F(ModelTest, StopsBetweenLayers) {
  const auto model = Loaded();
  device_.record = true;
  int asked = 0;
  const Status stopped = model->Prefill(Tokens(0, 12), 0, [&] { return ++asked == 4; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::kCancelled);
  EXPECT_THAT(device_.executed, ElementsAre("l0:g1", "l1:g1"));
  ASSERT_TRUE(model->Prefill(Tokens(0, 12), 0, nullptr));
  ExpectLogitsOf(*model, 11);
}

TEST_F(ModelTest, AnotherThreadIsBound) {
  const auto model = Loaded();
  std::thread([&] {
    EXPECT_TRUE(model->Prefill(Tokens(0, 5), 0, nullptr));
    EXPECT_TRUE(model->Decode(tokens_[5], 5));
  }).join();
  ExpectLogitsOf(*model, 5);
  EXPECT_TRUE(model->Decode(tokens_[6], 6));
  ExpectLogitsOf(*model, 6);
}

TEST_F(ModelTest, ProgressIsSeen) {
  Progress progress = Progress::Private();
  const auto model = Loaded({.progress = &progress});
  EXPECT_EQ(progress.page().layers_total.load(), 4u);
  EXPECT_EQ(progress.page().layers_loaded.load(), 4u);
  const uint64_t calls = progress.page().device_calls.load();
  progress.page().last_progress_ns.store(0);
  ASSERT_TRUE(model->Decode(1, 0));
  EXPECT_EQ(progress.page().device_calls.load() - calls, 3u * 3 + 5);
  EXPECT_GT(progress.page().last_progress_ns.load(), 0);
}

TEST_F(ModelTest, BadArguments) {
  const auto model = Loaded();
  EXPECT_EQ(model->Prefill({}, 0, nullptr).error().kind, ErrorKind::kInvalid);
  const std::vector<int32_t> unknown = {1, 99};
  EXPECT_EQ(model->Prefill(unknown, 0, nullptr).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(model->Decode(-1, 0).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(model->Prefill(Tokens(0, 3), 30, nullptr).error().kind, ErrorKind::kTooLong);
}

TEST_F(ModelTest, AFaultAnywhereWhileLoadingLeavesNothingOnTheDevice) {
  uint64_t failures = 0;
  for (uint64_t call = 1;; ++call) {
    device_.calls = 0;
    device_.fail_at = call;
    auto model = Model::Load(device_, bundle_, {});
    if (model) {
      EXPECT_LT(device_.calls, call) << "a fault was swallowed";
      break;
    }
    ++failures;
    EXPECT_THAT(model.error().message, HasSubstr("on purpose"));
    EXPECT_EQ(device_.live_allocations(), 0u) << call;
    EXPECT_EQ(device_.live_models(), 0u) << call;
  }
  EXPECT_GT(failures, 20u);
}

TEST_F(ModelTest, AFaultAnywhereInATokenIsReportedAndTheNextTokenWorks) {
  const auto model = Loaded();
  ASSERT_TRUE(model->Prefill(Tokens(0, 5), 0, nullptr));
  for (uint64_t call = 1; call <= 14; ++call) {
    device_.calls = 0;
    device_.fail_at = call;
    const Status failed = model->Decode(tokens_[5], 5);
    ASSERT_FALSE(failed) << call;
    EXPECT_EQ(failed.error().kind, ErrorKind::kDevice);
    device_.fail_at = 0;
    ASSERT_TRUE(model->Decode(tokens_[5], 5));
    ExpectLogitsOf(*model, 5);
  }
}

TEST_F(ModelTest, RefusesTheOtherSidesFiles) {
  bundle_.simulator = false;
  EXPECT_THAT(LoadError().message, HasSubstr("compiled for the NPU"));
  bundle_.simulator = true;
  device_.as = device::Backend::kAxcl;
  EXPECT_THAT(LoadError().message, HasSubstr("built for the simulated card"));
  EXPECT_EQ(device_.calls, 0u);
}

TEST_F(ModelTest, RefusesWhatDoesNotFit) {
  // Files of 6000 bytes, the largest first; the larger of the last one's second copy of 1000 and
  // of caches and buffers.
  const uint64_t work = 3 * 2 * 31 * 8 + (2 * 12 + 4 + 64 + 2 * 8) + (2 * 48 + 16 + 160 + 2 * 32);
  device_.free_bytes = 6999;
  Error error = LoadError();
  EXPECT_EQ(error.kind, ErrorKind::kNoMemory);
  EXPECT_THAT(error.message, AllOf(HasSubstr("needs 7000 bytes"), HasSubstr("6999 bytes")));
  EXPECT_EQ(device_.calls, 1u) << "nothing but the binding was tried";
  device_.free_bytes = 6000 + std::max<uint64_t>(1000, work);
  EXPECT_NE(Loaded(), nullptr);
  device_.free_bytes = 1;
  device_.knows_memory = false;
  EXPECT_NE(Loaded(), nullptr);
}

TEST_F(ModelTest, CountsCachesBeforeItLoadsTheRest) {
  sizes_.kv_rows = 2000;
  FakeSizes large = sizes_;
  large.decode_rows = {2000};
  device_.groups_of = [&](const std::string& name) {
    return name == "post" ? std::vector<device::GroupInfo>() : FakeLayerGroups(large);
  };
  device_.free_bytes = 50'000;
  const Error error = LoadError();
  EXPECT_EQ(error.kind, ErrorKind::kNoMemory);
  EXPECT_THAT(error.message, HasSubstr("50000 bytes"));
  EXPECT_EQ(device_.calls, 3u) << "binding, the largest file and the first layer";
}

TEST_F(ModelTest, RefusesContradictions) {
  bundle_.embedding = std::make_shared<FakeTable>(11, 8);
  EXPECT_THAT(LoadError().message, AllOf(HasSubstr("8 wide"), HasSubstr("hidden size is 6")));
  bundle_.embedding = std::make_shared<FakeTable>(10, 6);
  EXPECT_THAT(LoadError().message, AllOf(HasSubstr("10 rows"), HasSubstr("11 tokens")));
  bundle_.embedding = std::make_shared<FakeTable>(11, 6);

  FakeSizes other = sizes_;
  other.hidden = 8;
  device_.groups_of = [&](const std::string& name) {
    return name == "l1" ? FakeLayerGroups(other) : std::vector<device::GroupInfo>();
  };
  EXPECT_THAT(LoadError().message, AllOf(HasSubstr("l1"), HasSubstr("hidden size is 8")));
  device_.groups_of = [&](const std::string& name) {
    return name == "post" ? FakePostGroups(other) : std::vector<device::GroupInfo>();
  };
  EXPECT_THAT(LoadError().message, AllOf(HasSubstr("post"), HasSubstr("hidden size is 8")));
}

TEST_F(ModelTest, GivesHiddenStatesInPlaceOfLogits) {
  FakeSizes narrow = sizes_;
  narrow.vocab = narrow.hidden;
  device_.groups_of = [&](const std::string& name) {
    return name == "post" ? FakePostGroups(narrow) : std::vector<device::GroupInfo>();
  };
  EXPECT_THAT(LoadError().message, AllOf(HasSubstr("hidden state of 6 values, not logits"),
                                         HasSubstr("\"is_embedding\": true")));
  bundle_.makes_embeddings = true;
  const auto model = Loaded();
  EXPECT_TRUE(model->limits().makes_embeddings);
  EXPECT_EQ(model->limits().vocab, 11u) << "tokens that have a row";
  ASSERT_TRUE(model->Prefill(Tokens(0, 7), 0, nullptr));
  // The fake post model gives the same first values, whatever its width.
  reference_[6].resize(narrow.hidden);
  ExpectLogitsOf(*model, 6);

  device_.groups_of = nullptr;
  EXPECT_THAT(LoadError().message, AllOf(HasSubstr("is_embedding"), HasSubstr("11 values")));
}

TEST_F(ModelTest, ALoadHoldsTheLeaseAndPrefillYieldsToOthers) {
  const auto mine = device::CardGate::Open(folder_ / "run", 7);
  const auto other = device::CardGate::Open(folder_ / "run", 7);
  ASSERT_TRUE(mine && other);
  ASSERT_TRUE((*other)->AcquireLoad(std::chrono::seconds(0), nullptr));
  const Error waiting = LoadError({.gate = mine->get(), .stop = [] { return true; }});
  EXPECT_EQ(waiting.kind, ErrorKind::kCancelled);
  EXPECT_EQ(device_.calls, 0u);
  (*other)->ReleaseLoad();
  const auto model = Loaded({.gate = mine->get()});

  ASSERT_TRUE((*mine)->Enter(nullptr));
  std::atomic<bool> loaded{false};
  std::thread loader([&] {
    EXPECT_TRUE((*other)->AcquireLoad(std::chrono::minutes(1), nullptr));
    loaded = true;
    (*other)->ReleaseLoad();
  });
  // Ends only because Prefill lets the load in.
  while (!loaded) ASSERT_TRUE(model->Prefill(Tokens(0, 12), 0, nullptr));
  loader.join();
  (*mine)->Leave();
  ExpectLogitsOf(*model, 11);
}

FakeSizes WideSizes() {
  FakeSizes sizes;
  sizes.index_planes = 3;
  sizes.decode_rows = {8, 31};
  sizes.ladder = {};
  sizes.layers = 2;
  return sizes;
}
class DecodeOnlyTest : public ModelTest {
 protected:
  DecodeOnlyTest() : ModelTest(WideSizes()) {}
};

TEST_F(DecodeOnlyTest, WorksWithoutPrefillGroups) {
  const auto model = Loaded();
  EXPECT_EQ(model->limits().chunk_tokens, 1u);
  EXPECT_EQ(model->limits().max_prompt_tokens, 32u);
  device_.record = true;
  ASSERT_TRUE(model->Prefill(Tokens(0, 10), 0, nullptr));
  ExpectLogitsOf(*model, 9);
  EXPECT_EQ(device_.executed.front(), "l0:g0");
  EXPECT_EQ(device_.executed[2 * 8], "l0:g0");
  EXPECT_EQ(device_.executed[2 * 9], "l0:g1");
}

}  // namespace
}  // namespace axollama::npu
