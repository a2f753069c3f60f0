// The model over whole-stack files: the same logits as over a file per layer, and its costs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "npu/fake_device.h"
#include "npu/model_fixture.h"

namespace axollama::npu {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Case {
  bundle::Layout layout;
  bool queued;
};

class StackTest : public ModelTest, public ::testing::WithParamInterface<Case> {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    device_.knows_queues = GetParam().queued;
    UseStacks(GetParam().layout);
  }
  void UseStacks(bundle::Layout layout) {
    bundle_.layers.clear();
    bundle_.post.clear();
    bundle_.layout = layout;
    bundle_.layer_count = sizes_.layers;
    if (layout == bundle::Layout::kSingle) {
      bundle_.decode = bundle_.prefill = File("model.axmodel", 4000);
    } else {
      bundle_.decode = File("model_decode.axmodel", 4000);
      bundle_.prefill = File("model_prefill.axmodel", 5000);
    }
  }
};

std::string NameOf(const ::testing::TestParamInfo<Case>& tested) {
  return std::string(bundle::LayoutName(tested.param.layout)) +
         (tested.param.queued ? "Queued" : "Called");
}

INSTANTIATE_TEST_SUITE_P(Layouts, StackTest,
                         ::testing::Values(Case{bundle::Layout::kSplit, false},
                                           Case{bundle::Layout::kSplit, true},
                                           Case{bundle::Layout::kSingle, false},
                                           Case{bundle::Layout::kSingle, true}),
                         NameOf);

TEST_P(StackTest, Limits) {
  const auto model = Loaded();
  EXPECT_EQ(model->queues(), GetParam().queued);
  EXPECT_EQ(model->limits().context_tokens, 32u);
  EXPECT_EQ(model->limits().chunk_tokens, 4u);
  EXPECT_EQ(model->limits().max_prompt_tokens, 20u);
  EXPECT_EQ(model->limits().vocab, 11u);
  EXPECT_EQ(model->limits().layers, 3u);
  EXPECT_GT(model->cmm_bytes(), 4000u);
}

TEST_P(StackTest, EveryWayToCutAPromptGivesTheSameLogits) {
  const auto model = Loaded();
  for (size_t length = 1; length <= tokens_.size(); ++length) {
    ASSERT_TRUE(model->Prefill(Tokens(0, length), 0, nullptr));
    ExpectLogitsOf(*model, length - 1);
  }
  for (size_t cut = 1; cut < 12; ++cut) {
    ASSERT_TRUE(model->Prefill(Tokens(0, cut), 0, nullptr));
    ASSERT_TRUE(model->Prefill(Tokens(cut, 12), static_cast<uint32_t>(cut), nullptr));
    ExpectLogitsOf(*model, 11);
  }
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    ASSERT_TRUE(model->Decode(tokens_[i], i));
    ExpectLogitsOf(*model, i);
  }
}

TEST_P(StackTest, OnRowSeesTheLogitsOfEveryRow) {
  const auto model = Loaded();
  size_t rows = 0;
  ASSERT_TRUE(model->Prefill(tokens_, 0, nullptr, [&](size_t row) -> Status {
    EXPECT_EQ(row, rows++);
    ExpectLogitsOf(*model, row);
    return {};
  }));
  EXPECT_EQ(rows, tokens_.size());
}

TEST_P(StackTest, UsesTheSmallestSufficientGroupOfTheRightFile) {
  const auto model = Loaded();
  device_.record = true;
  ASSERT_TRUE(model->Prefill(Tokens(0, 10), 0, nullptr));
  ASSERT_TRUE(model->Decode(tokens_[10], 10));
  if (GetParam().layout == bundle::Layout::kSingle) {
    EXPECT_THAT(device_.executed, ElementsAre("stack:g1", "stack:g2", "stack:g3", "stack:g0"));
  } else {
    EXPECT_THAT(device_.executed, ElementsAre("stack:g0", "stack:g1", "stack:g2", "stack:g0"));
  }
}

TEST_P(StackTest, ATokenIsOneExecuteAndTwoCopiesALayerAndAllocatesNothing) {
  const auto model = Loaded();
  ASSERT_TRUE(model->Prefill(Tokens(0, 5), 0, nullptr));
  const Counters& counters = model->counters();
  const uint64_t calls = counters.device_calls, up = counters.bytes_up, down = counters.bytes_down;
  const uint64_t allocated = CountedAllocations();
  for (uint32_t i = 5; i < 15; ++i) {
    if (!model->Decode(tokens_[i], i)) FAIL();
  }
  EXPECT_EQ(CountedAllocations(), allocated);
  // Three up, the execute, the logits down; queued, a mark before and the wait after it.
  const uint64_t others = GetParam().queued ? 7 : 5;
  EXPECT_EQ(counters.device_calls - calls, 10 * (2 * sizes_.layers + others));
  EXPECT_EQ(counters.bytes_up - up, 10u * (6 * 2 + 4 + 32 * 2));
  EXPECT_EQ(counters.bytes_down - down, 10u * 11 * 2);
  const StopCheck stop = [] { return false; };
  const uint64_t before = CountedAllocations();
  if (!model->Prefill(Tokens(0, 24), 0, stop)) FAIL();
  EXPECT_EQ(CountedAllocations(), before);
}

// Of the logits of a chunk only the row that is needed comes down, and while work is queued the end
// of a row for each chunk, which shows that it ran.
TEST_P(StackTest, OneRowOfAPromptsLogitsCrossesTheBus) {
  const auto model = Loaded();
  const uint64_t down = model->counters().bytes_down;
  ASSERT_TRUE(model->Prefill(Tokens(0, 12), 0, nullptr));
  const uint64_t row_bytes = 11 * 2;
  EXPECT_EQ(model->counters().bytes_down - down, (GetParam().queued ? 3 + 1 : 1) * row_bytes);
}

TEST_P(StackTest, AFaultAnywhereInATokenIsReportedAndTheNextTokenWorks) {
  const auto model = Loaded();
  ASSERT_TRUE(model->Prefill(Tokens(0, 6), 0, nullptr));
  const uint64_t before = device_.calls;
  ASSERT_TRUE(model->Decode(tokens_[6], 6));
  // A wait that failed, the last call of a queued token, cannot be followed by anything.
  const uint64_t calls = device_.calls - before - (GetParam().queued ? 1 : 0);
  for (uint64_t call = 1; call <= calls; ++call) {
    device_.fail_at = device_.calls + call;
    const Status failed = model->Decode(tokens_[6], 6);
    device_.fail_at = 0;
    ASSERT_FALSE(failed) << call;
    EXPECT_EQ(failed.error().kind, ErrorKind::kDevice);
    ASSERT_TRUE(model->Decode(tokens_[6], 6)) << call;
    ExpectLogitsOf(*model, 6);
  }
}

TEST_P(StackTest, AFaultAnywhereWhileLoadingLeavesNothingOnTheDevice) {
  for (uint64_t call = 1;; ++call) {
    device_.calls = 0;
    device_.fail_at = call;
    auto model = Model::Load(device_, bundle_, {});
    const bool reached = device_.calls >= call;
    device_.fail_at = 0;
    model = Fail(ErrorKind::kInternal, "gone");
    EXPECT_EQ(device_.live_allocations(), 0u) << call;
    EXPECT_EQ(device_.live_models(), 0u) << call;
    EXPECT_EQ(device_.live_ios(), 0u) << call;
    if (!reached) break;
  }
}

class QueuedStackTest : public StackTest {};
INSTANTIATE_TEST_SUITE_P(Layouts, QueuedStackTest,
                         ::testing::Values(Case{bundle::Layout::kSplit, true},
                                           Case{bundle::Layout::kSingle, true}),
                         NameOf);

TEST_P(QueuedStackTest, WorkThatIsDroppedSilentlyIsAnError) {
  const auto model = Loaded();
  uint64_t executes = 0, drop = 0;
  device_.dropped = [&](uint64_t) { return ++executes == drop; };
  const auto expect_caught = [&](uint64_t count, const auto& compute) {
    for (uint64_t i = 1; i <= count; ++i) {
      executes = 0;
      drop = i;
      const Status status = compute();
      ASSERT_FALSE(status) << "execute " << i << " was dropped";
      EXPECT_EQ(status.error().kind, ErrorKind::kDevice);
      EXPECT_THAT(status.error().message, HasSubstr("did not run"));
      drop = 0;
      ASSERT_TRUE(compute()) << "nothing of it stays";
    }
  };
  expect_caught(1, [&] { return model->Decode(tokens_[0], 0); });
  // Chunks of 4 and of 2 rows; then single tokens beyond the ladder.
  expect_caught(2, [&] { return model->Prefill(Tokens(0, 6), 0, nullptr); });
  expect_caught(2, [&] { return model->Prefill(Tokens(20, 22), 20, nullptr); });
}

TEST_P(StackTest, StopsBetweenChunks) {
  const auto model = Loaded();
  int asked = 0;
  const Status stopped = model->Prefill(Tokens(0, 20), 0, [&] { return ++asked == 4; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::kCancelled);
  ASSERT_TRUE(model->Prefill(Tokens(0, 20), 0, nullptr));
  ExpectLogitsOf(*model, 19);
}

TEST_P(StackTest, RefusesContradictions) {
  bundle_.embedding = std::make_shared<FakeTable>(sizes_.vocab, sizes_.hidden + 2);
  EXPECT_THAT(LoadError().message, HasSubstr("embedding table is 8 wide"));
  bundle_.embedding = std::make_shared<FakeTable>(sizes_.vocab - 1, sizes_.hidden);
  EXPECT_THAT(LoadError().message, HasSubstr("10 rows, the model has 11 tokens"));
  bundle_.embedding = std::make_shared<FakeTable>(sizes_.vocab, sizes_.hidden);
  device_.groups_of = [&](const std::string&) {
    auto groups = FakeStackGroups(sizes_, true, true);
    for (auto& group : groups) group.inputs[3].name = "cache";
    return groups;
  };
  EXPECT_THAT(LoadError().message, AllOf(HasSubstr("model"), HasSubstr("\"cache\"")));
  device_.groups_of = nullptr;
  device_.free_bytes = 7000;
  const Error error = LoadError();
  EXPECT_EQ(error.kind, ErrorKind::kNoMemory);
  EXPECT_THAT(error.message, HasSubstr("does not fit"));
}

}  // namespace
}  // namespace axollama::npu
