#include "sim/card/work_queue.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>
#include <vector>

namespace axsim::card {
namespace {

using Submitted = WorkQueue::Submitted;
using Waited = WorkQueue::Waited;

// Work that runs until it is released.
class Gate {
 public:
  WorkQueue::Work work() {
    return [this](const WorkQueue&) {
      entered_.set_value();
      released_.get_future().wait();
    };
  }
  void AwaitEntry() { entered_.get_future().wait(); }
  void Release() { released_.set_value(); }

 private:
  std::promise<void> entered_;
  std::promise<void> released_;
};

void ExpectNoWorker(const WorkQueue& queue) {
  for (int i = 0; i < 20'000 && queue.has_worker(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_FALSE(queue.has_worker());
}

TEST(WorkQueueTest, FirstInFirstOut) {
  const auto queue = std::make_shared<WorkQueue>();
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) {
    if (i % 7 == 3) {  // a synchronous call sees all that came before
      ASSERT_TRUE(queue->Begin());
      EXPECT_EQ(order.size(), static_cast<size_t>(i));
      order.push_back(i);
      queue->End();
    } else {
      ASSERT_EQ(queue->Submit([&order, i](const WorkQueue&) { order.push_back(i); }),
                Submitted::kYes);
    }
  }
  ASSERT_EQ(queue->Drain(-1), Waited::kDone);
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(WorkQueueTest, AWorkerIsThereOnlyForQueuedWork) {
  const auto queue = std::make_shared<WorkQueue>();
  ASSERT_TRUE(queue->Begin());
  EXPECT_FALSE(queue->has_worker());
  queue->End();
  for (int i = 0; i < 3; ++i) {
    Gate gate;
    ASSERT_EQ(queue->Submit(gate.work()), Submitted::kYes);
    EXPECT_TRUE(queue->has_worker());
    gate.AwaitEntry();
    gate.Release();
    ASSERT_EQ(queue->Drain(-1), Waited::kDone);
    ExpectNoWorker(*queue);
  }
}

TEST(WorkQueueTest, QueuedWorkWaitsForASynchronousCall) {
  const auto queue = std::make_shared<WorkQueue>();
  bool ran = false;
  ASSERT_TRUE(queue->Begin());
  ASSERT_EQ(queue->Submit([&](const WorkQueue&) { ran = true; }), Submitted::kYes);
  EXPECT_EQ(queue->Drain(1), Waited::kTimeout);
  EXPECT_FALSE(ran);
  queue->End();
  EXPECT_EQ(queue->Drain(-1), Waited::kDone);
  EXPECT_TRUE(ran);
}

TEST(WorkQueueTest, DrainWaitsForWhatCameBefore) {
  const auto queue = std::make_shared<WorkQueue>();
  EXPECT_EQ(queue->Drain(0), Waited::kDone);
  Gate gate;
  ASSERT_EQ(queue->Submit(gate.work()), Submitted::kYes);
  EXPECT_EQ(queue->Drain(0), Waited::kTimeout);
  EXPECT_EQ(queue->Drain(5), Waited::kTimeout);
  gate.Release();
  EXPECT_EQ(queue->Drain(-1), Waited::kDone);
  EXPECT_EQ(queue->Drain(0), Waited::kDone);
}

TEST(WorkQueueTest, CloseDropsWhatHasNotBegun) {
  const auto queue = std::make_shared<WorkQueue>();
  Gate gate;
  bool ran = false;
  ASSERT_EQ(queue->Submit(gate.work()), Submitted::kYes);
  ASSERT_EQ(queue->Submit([&](const WorkQueue&) { ran = true; }), Submitted::kYes);
  gate.AwaitEntry();
  auto drained = std::async(std::launch::async, [&] { return queue->Drain(-1); });
  auto call = std::async(std::launch::async, [&] { return queue->Begin(); });
  auto closed = std::async(std::launch::async, [&] { queue->Close(); });
  // It waits for what runs.
  while (!queue->stopping()) std::this_thread::yield();
  EXPECT_EQ(drained.get(), Waited::kClosed);
  EXPECT_FALSE(call.get());
  EXPECT_TRUE(queue->has_worker());
  gate.Release();
  closed.get();
  EXPECT_FALSE(queue->has_worker());
  EXPECT_FALSE(ran);
  EXPECT_FALSE(queue->Begin());
  EXPECT_EQ(queue->Submit([](const WorkQueue&) {}), Submitted::kClosed);
  EXPECT_EQ(queue->Drain(-1), Waited::kClosed);
}

TEST(WorkQueueTest, CloseDoesNotWaitForASynchronousCall) {
  const auto queue = std::make_shared<WorkQueue>();
  bool ran = false;
  ASSERT_TRUE(queue->Begin());
  ASSERT_EQ(queue->Submit([&](const WorkQueue&) { ran = true; }), Submitted::kYes);
  queue->Close();
  queue->End();
  EXPECT_FALSE(queue->has_worker());
  EXPECT_FALSE(ran);
}

TEST(WorkQueueTest, DropEmptiesAndGoesOn) {
  const auto queue = std::make_shared<WorkQueue>();
  Gate gate;
  std::vector<int> ran;
  ASSERT_EQ(queue->Submit(gate.work()), Submitted::kYes);
  ASSERT_EQ(queue->Submit([&](const WorkQueue&) { ran.push_back(1); }), Submitted::kYes);
  gate.AwaitEntry();
  auto drained = std::async(std::launch::async, [&] { return queue->Drain(-1); });
  auto dropped = std::async(std::launch::async, [&] { queue->Drop(); });
  while (!queue->stopping()) std::this_thread::yield();
  gate.Release();
  dropped.get();
  EXPECT_EQ(drained.get(), Waited::kDone);
  EXPECT_FALSE(queue->stopping());
  ASSERT_EQ(queue->Submit([&](const WorkQueue&) { ran.push_back(2); }), Submitted::kYes);
  ASSERT_TRUE(queue->Begin());
  EXPECT_EQ(ran, std::vector<int>{2});
  // What waits for a synchronous call is dropped without waiting for that.
  ASSERT_EQ(queue->Submit([&](const WorkQueue&) { ran.push_back(3); }), Submitted::kYes);
  queue->Drop();
  queue->End();
  EXPECT_EQ(queue->Drain(-1), Waited::kDone);
  EXPECT_EQ(ran, std::vector<int>{2});
}

TEST(WorkQueueTest, WorkMayHoldTheLastReferences) {
  auto queue = std::make_shared<WorkQueue>();
  const std::weak_ptr<WorkQueue> seen = queue;
  auto held = std::make_shared<int>(1);
  ASSERT_EQ(queue->Submit([held](const WorkQueue&) {}), Submitted::kYes);
  queue.reset();
  const std::weak_ptr<int> watched = held;
  held.reset();
  for (int i = 0; i < 20'000 && !(seen.expired() && watched.expired()); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(seen.expired());
  EXPECT_TRUE(watched.expired());
}

TEST(WorkQueueTest, ManyThreadsTakeTurns) {
  const auto queue = std::make_shared<WorkQueue>();
  constexpr int kThreads = 8;
  constexpr int kRounds = 300;
  int count = 0;  // guarded by the turns alone
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        if ((i + t) % 2 == 0) {
          ASSERT_EQ(queue->Submit([&](const WorkQueue&) { ++count; }), Submitted::kYes);
        } else {
          ASSERT_TRUE(queue->Begin());
          ++count;
          queue->End();
        }
        if (i % 50 == 0) {
          ASSERT_EQ(queue->Drain(-1), Waited::kDone);
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_EQ(queue->Drain(-1), Waited::kDone);
  EXPECT_EQ(count, kThreads * kRounds);
}

}  // namespace
}  // namespace axsim::card
