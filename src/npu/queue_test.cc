// The chain with queued work: the same logits, its costs, and what happens where it fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#include "base/file.h"
#include "npu/fake_device.h"
#include "npu/model_fixture.h"

namespace axollama::npu {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class QueueTest : public ModelTest {
 protected:
  explicit QueueTest(FakeSizes sizes = {}) : ModelTest(std::move(sizes)) {
    device_.knows_queues = true;
  }
  // Executes that the check at load time queues: two steps.
  uint64_t probe_executes() const { return 2 * (sizes_.layers + 1); }
  std::filesystem::path probes() const { return folder_ / "probes"; }
  std::string Kept() const {
    std::string all;
    if (!std::filesystem::exists(probes())) return all;
    for (const auto& entry : std::filesystem::directory_iterator(probes())) {
      all += ReadFile(entry.path()).value_or("(unreadable)");
    }
    return all;
  }
  std::filesystem::path KeptFile() const {
    return std::filesystem::directory_iterator(probes())->path();
  }
};

TEST_F(QueueTest, GivesTheLogitsOfTheCalls) {
  const auto model = Loaded();
  ASSERT_TRUE(model->queues());
  for (size_t length = 1; length <= tokens_.size(); ++length) {
    ASSERT_TRUE(model->Prefill(Tokens(0, length), 0, nullptr));
    ExpectLogitsOf(*model, length - 1);
  }
  for (uint32_t i = 0; i < tokens_.size(); ++i) {
    ASSERT_TRUE(model->Decode(tokens_[i], i));
    ExpectLogitsOf(*model, i);
  }
  size_t rows = 0;
  ASSERT_TRUE(model->Prefill(tokens_, 0, nullptr, [&](size_t row) -> Status {
    ++rows;
    ExpectLogitsOf(*model, row);
    return {};
  }));
  EXPECT_EQ(rows, tokens_.size());
}

TEST_F(QueueTest, ATokenIsThreeCallsALayerAndSevenAndAllocatesNothing) {
  const auto model = Loaded();
  ASSERT_TRUE(model->Prefill(Tokens(0, 5), 0, nullptr));
  const Counters& counters = model->counters();
  const uint64_t calls = counters.device_calls, up = counters.bytes_up, down = counters.bytes_down;
  const uint64_t device_calls = device_.calls, executing_ns = counters.execute_ns;
  const uint64_t allocated = CountedAllocations();
  for (uint32_t i = 5; i < 15; ++i) {
    if (!model->Decode(tokens_[i], i)) FAIL();
  }
  EXPECT_EQ(CountedAllocations(), allocated);
  EXPECT_EQ(counters.device_calls - calls, 10 * (3 * sizes_.layers + 7));
  EXPECT_EQ(device_.calls - device_calls, counters.device_calls - calls);
  EXPECT_EQ(counters.bytes_up - up, 10u * (6 * 2 + 4 + 32 * 2));
  // The logits, and before them the last hidden state and its stamp, to the next aligned address.
  EXPECT_EQ(counters.bytes_down - down, 10u * (11 * 2 + kBindAlignment));
  EXPECT_GT(counters.execute_ns, executing_ns);

  const StopCheck stop = [] { return false; };
  const uint64_t before = CountedAllocations();
  if (!model->Prefill(Tokens(0, 24), 0, stop)) FAIL();
  EXPECT_EQ(CountedAllocations(), before);
}

// Each execute of a token and of a prompt, one after the other.
TEST_F(QueueTest, WorkThatIsDroppedSilentlyIsAnError) {
  const auto model = Loaded();
  ASSERT_TRUE(model->queues());
  uint64_t executes = probe_executes(), drop = 0;
  device_.dropped = [&](uint64_t) { return ++executes == drop; };
  const auto expect_caught = [&](uint64_t count, const auto& compute) {
    for (uint64_t i = 1; i <= count; ++i) {
      executes = 0;
      drop = i;
      const Status status = compute();
      ASSERT_FALSE(status) << "execute " << i << " was dropped";
      EXPECT_EQ(status.error().kind, ErrorKind::kDevice);
      EXPECT_THAT(status.error().message, AllOf(HasSubstr("did not run"), HasSubstr("log")));
      drop = 0;
      ASSERT_TRUE(compute()) << "nothing of it stays";
    }
    drop = 0;
  };
  expect_caught(sizes_.layers + 1, [&] { return model->Decode(tokens_[0], 0); });
  // Chunks of 4 and of 2 rows, then the post model; then single tokens beyond the ladder.
  expect_caught(2 * sizes_.layers + 1, [&] { return model->Prefill(Tokens(0, 6), 0, nullptr); });
  expect_caught(2 * sizes_.layers + 1, [&] { return model->Prefill(Tokens(20, 22), 20, nullptr); });
  ASSERT_TRUE(model->Prefill(tokens_, 0, nullptr));
  ExpectLogitsOf(*model, tokens_.size() - 1);
}

TEST_F(QueueTest, AFaultAnywhereInATokenIsReportedAndTheNextTokenWorks) {
  const auto model = Loaded();
  ASSERT_TRUE(model->Prefill(Tokens(0, 5), 0, nullptr));
  for (uint64_t call = 1; call <= 3 * sizes_.layers + 6; ++call) {
    device_.calls = 0;
    device_.fail_at = call;
    const Status failed = model->Decode(tokens_[5], 5);
    ASSERT_FALSE(failed) << call;
    EXPECT_EQ(failed.error().kind, ErrorKind::kDevice);
    EXPECT_THAT(failed.error().message, HasSubstr("on purpose"));
    device_.fail_at = 0;
    ASSERT_TRUE(model->Decode(tokens_[5], 5));
    ExpectLogitsOf(*model, 5);
  }
}

TEST_F(QueueTest, AWaitThatDoesNotEndIsADeviceErrorFromThenOn) {
  const auto model = Loaded();
  device_.hangs = true;
  for (int i = 0; i < 2; ++i) {
    const Status hung = model->Decode(tokens_[0], 0);
    ASSERT_FALSE(hung);
    EXPECT_EQ(hung.error().kind, ErrorKind::kDevice);
  }
  EXPECT_EQ(model->Prefill(Tokens(0, 5), 0, nullptr).error().kind, ErrorKind::kDevice);
}

TEST_F(QueueTest, StopsWithinAChunk) {
  const auto model = Loaded();
  device_.record = true;
  int asked = 0;
  const Status stopped = model->Prefill(Tokens(0, 12), 0, [&] { return ++asked == 4; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::kCancelled);
  EXPECT_EQ(asked, 4);
  EXPECT_THAT(device_.executed, ElementsAre("l0:g1", "l1:g1", "l2:g1"));
  ASSERT_TRUE(model->Prefill(Tokens(0, 12), 0, nullptr));
  ExpectLogitsOf(*model, 11);
}

TEST_F(QueueTest, AnotherThreadGoesOn) {
  const auto model = Loaded();
  std::thread([&] { EXPECT_TRUE(model->Prefill(Tokens(0, 6), 0, nullptr)); }).join();
  ASSERT_TRUE(model->Decode(tokens_[6], 6));
  ExpectLogitsOf(*model, 6);
}

// --- The probe -----------------------------------------------------------------------------------

TEST_F(QueueTest, TheTryIsNotedBeforeItAndItsResultAfter) {
  std::string during;
  uint64_t tries = 0;
  device_.dropped = [&](uint64_t) {
    if (tries++ == 0) during = Kept();
    return false;
  };
  EXPECT_TRUE(Loaded({.probes = probes()})->queues());
  EXPECT_THAT(during, HasSubstr(R"("async":"trying")"));
  EXPECT_THAT(Kept(), AllOf(HasSubstr(R"("async":"works")"), HasSubstr(R"("library":"fake")")));
  EXPECT_TRUE(Loaded({.probes = probes()})->queues());
}

TEST_F(QueueTest, ATryThatEndedTheProcessIsNotRepeated) {
  device_.on_queue = [&] { device_.hangs = true; };
  const Error error = LoadError({.probes = probes()});
  EXPECT_EQ(error.kind, ErrorKind::kDevice);
  EXPECT_THAT(Kept(), HasSubstr(R"("async":"fails")"));
  const std::string text = ReadFile(KeptFile()).value();
  // As it is when a process dies while it tries.
  std::string trying = text;
  trying.replace(trying.find("fails"), 5, "trying");
  for (const std::string& kept : {text, trying}) {
    ASSERT_TRUE(WriteFileAtomically(KeptFile(), kept));
    device_.hangs = false;
    device_.on_queue = nullptr;
    const auto model = Loaded({.probes = probes()});
    EXPECT_FALSE(model->queues());
    ASSERT_TRUE(model->Prefill(Tokens(0, 8), 0, nullptr));
    ExpectLogitsOf(*model, 7);
    EXPECT_EQ(Kept(), kept);
  }
}

TEST_F(QueueTest, WhatDoesNotWorkIsNotUsed) {
  const auto expect_calls = [&](std::string_view kept) {
    const auto model = Loaded({.probes = probes()});
    EXPECT_FALSE(model->queues());
    EXPECT_THAT(Kept(), HasSubstr(kept));
    ASSERT_TRUE(model->Prefill(Tokens(0, 8), 0, nullptr));
    ExpectLogitsOf(*model, 7);
    ASSERT_TRUE(model->Decode(tokens_[8], 8));
    ExpectLogitsOf(*model, 8);
    std::filesystem::remove_all(probes());
  };
  device_.refuses_executes = true;
  expect_calls(R"("async":"unsupported","reason":"refused on purpose")");
  device_.refuses_executes = false;
  // Everything is dropped, then one layer only.
  device_.dropped = [](uint64_t) { return true; };
  expect_calls(R"("async":"fails")");
  uint64_t executes = 0;
  device_.dropped = [&](uint64_t) { return ++executes == 2; };
  expect_calls(R"("async":"fails")");
}

// A library that learns to refuse, and one that learns to do it, without a new version.
TEST_F(QueueTest, WorksAndUnsupportedAreLookedAtAgain) {
  EXPECT_TRUE(Loaded({.probes = probes()})->queues());
  device_.refuses_executes = true;
  EXPECT_FALSE(Loaded({.probes = probes()})->queues());
  EXPECT_THAT(Kept(), HasSubstr("unsupported"));
  device_.refuses_executes = false;
  EXPECT_TRUE(Loaded({.probes = probes()})->queues());
  EXPECT_THAT(Kept(), HasSubstr("works"));
}

TEST_F(QueueTest, AKeptFileThatIsDamagedIsUnknown) {
  EXPECT_TRUE(Loaded({.probes = probes()})->queues());
  const std::string good = ReadFile(KeptFile()).value();
  std::string other = good, word = good;
  other.replace(other.find("fake"), 4, "fa\\u00ff");
  word.replace(word.find("works"), 5, "wonks");
  for (const std::string& bad :
       {std::string(), std::string("{"), std::string("[]"), std::string("{\"async\":7}"), other,
        word, good.substr(0, good.size() / 2), std::string(100'000, 'x')}) {
    ASSERT_TRUE(WriteFileAtomically(KeptFile(), bad));
    EXPECT_TRUE(Loaded({.probes = probes()})->queues()) << bad.substr(0, 100);
    EXPECT_THAT(Kept(), HasSubstr("works"));
  }
}

TEST_F(QueueTest, WhatCannotBeNotedIsNotTried) {
  File("notafolder", 1);
  const auto model = Loaded({.probes = folder_ / "notafolder"});
  EXPECT_FALSE(model->queues());
  ASSERT_TRUE(model->Prefill(Tokens(0, 8), 0, nullptr));
  ExpectLogitsOf(*model, 7);
}

TEST_F(QueueTest, AFaultAnywhereWhileLoadingLeavesNothingOnTheDevice) {
  uint64_t failures = 0, fallbacks = 0;
  for (uint64_t call = 1;; ++call) {
    std::filesystem::remove_all(probes());
    device_.calls = 0;
    device_.fail_at = call;
    auto model = Model::Load(device_, bundle_, {.probes = probes()});
    const bool reached = device_.calls >= call;
    device_.fail_at = 0;
    if (model) {
      if (!reached) break;
      // In the check of queued work, or while it is measured. Single calls still do.
      fallbacks += (*model)->queues() ? 0 : 1;
      ASSERT_TRUE((*model)->Decode(tokens_[0], 0));
      ExpectLogitsOf(**model, 0);
      continue;
    }
    ++failures;
    EXPECT_EQ(model.error().kind, ErrorKind::kDevice);
    EXPECT_EQ(device_.live_allocations(), 0u) << call;
    EXPECT_EQ(device_.live_models(), 0u) << call;
    EXPECT_THAT(Kept(), ::testing::Not(HasSubstr("trying"))) << call;
  }
  EXPECT_GT(failures, 20u);
  EXPECT_GT(fallbacks, 20u);
}

// Rows of 2,048 bytes.
FakeSizes WideRows() {
  FakeSizes sizes;
  sizes.kv_width = 1024;
  return sizes;
}
class BoundRowsTest : public QueueTest {
 protected:
  BoundRowsTest() : QueueTest(WideRows()) {}
  uint64_t CallsOfAToken(Model& model) {
    const uint64_t before = model.counters().device_calls;
    EXPECT_TRUE(model.Decode(tokens_[0], 0));
    return model.counters().device_calls - before;
  }
};

TEST_F(BoundRowsTest, RowsGoStraightIntoTheCaches) {
  for (const bool queues : {true, false}) {
    device_.knows_queues = queues;
    const auto model = Loaded({.probes = probes()});
    EXPECT_EQ(model->queues(), queues);
    EXPECT_THAT(Kept(), HasSubstr(R"("rows":"works")"));
    EXPECT_EQ(CallsOfAToken(*model), sizes_.layers + (queues ? 7 : 5));
    const uint64_t allocated = CountedAllocations();
    for (uint32_t i = 0; i < tokens_.size(); ++i) {
      if (!model->Decode(tokens_[i], i)) FAIL();
    }
    EXPECT_EQ(CountedAllocations(), allocated);
    ExpectLogitsOf(*model, tokens_.size() - 1);
    ASSERT_TRUE(model->Prefill(Tokens(0, 7), 0, nullptr));
    ExpectLogitsOf(*model, 6);
    ASSERT_TRUE(model->Prefill(tokens_, 0, nullptr));
    ExpectLogitsOf(*model, tokens_.size() - 1);
    ASSERT_TRUE(model->Decode(tokens_[9], 9));
    ExpectLogitsOf(*model, 9);
  }
}

TEST_F(BoundRowsTest, RowsThatDoNotArriveAreCopied) {
  device_.loses_bound_rows = true;
  for (int load = 0; load < 2; ++load) {
    const auto model = Loaded({.probes = probes()});
    EXPECT_TRUE(model->queues());
    EXPECT_THAT(Kept(), HasSubstr(R"("rows":"fails")"));
    EXPECT_EQ(CallsOfAToken(*model), 3 * sizes_.layers + 7);
    for (uint32_t i = 0; i < tokens_.size(); ++i) {
      ASSERT_TRUE(model->Decode(tokens_[i], i));
      ExpectLogitsOf(*model, i);
    }
    device_.loses_bound_rows = false;  // what was kept holds
  }
}

FakeSizes ManyLayers() {
  FakeSizes sizes;
  sizes.layers = 19;
  sizes.decode_rows = {8, 31};
  return sizes;
}
class DeepQueueTest : public QueueTest {
 protected:
  DeepQueueTest() : QueueTest(ManyLayers()) {}
};

TEST_F(DeepQueueTest, AChunkIsWaitedForInParts) {
  const auto model = Loaded();
  int asked = 0;
  device_.record = true;
  ASSERT_FALSE(model->Prefill(Tokens(0, 4), 0, [&] { return ++asked == 3; }));
  EXPECT_EQ(device_.executed.size(), 8u);
  ASSERT_TRUE(model->Prefill(tokens_, 0, nullptr));
  ExpectLogitsOf(*model, tokens_.size() - 1);
}

}  // namespace
}  // namespace axollama::npu
