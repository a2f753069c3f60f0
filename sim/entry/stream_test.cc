// Streams, events and queued work through the library.
#include <future>
#include <thread>

#include "sim/entry/fixture.h"

namespace axsim::entry {
namespace {

constexpr axclError kTimeout = Code(0x80300383);
constexpr axclError kUnknown = -1;
constexpr axclError kLost = Code(0x8030040C);

class StreamTest : public EntryTest {
 protected:
  void* Stream() {
    void* stream = nullptr;
    EXPECT_EQ(AX(axclrtCreateStream)(&stream), AXCL_SUCC);
    return stream;
  }
  void* Event() {
    void* event = nullptr;
    EXPECT_EQ(AX(axclrtCreateEvent)(&event), AXCL_SUCC);
    return event;
  }
  void Sync(void* stream) { ASSERT_EQ(AX(axclrtSynchronizeStream)(stream), AXCL_SUCC); }
  void Set(void* device, uint8_t value, size_t count, void* stream) {
    ASSERT_EQ(AX(axclrtMemsetAsync)(device, value, count, stream), AXCL_SUCC);
  }
  void Copy(void* to, const void* from, size_t count, axclrtMemcpyKind kind, void* stream) {
    ASSERT_EQ(AX(axclrtMemcpyAsync)(to, from, count, kind, stream), AXCL_SUCC);
  }
  void Record(void* event, void* stream) {
    ASSERT_EQ(AX(axclrtRecordEvent)(event, stream), AXCL_SUCC);
  }
  void Wait(void* stream, void* event) {
    ASSERT_EQ(AX(axclrtStreamWaitEvent)(stream, event), AXCL_SUCC);
  }
  // A stream that does nothing until its event is recorded.
  struct Blocked {
    void* stream;
    void* event;
  };
  Blocked Block() {
    const Blocked blocked{Stream(), Event()};
    Wait(blocked.stream, blocked.event);
    return blocked;
  }
  uint8_t Byte(const void* device) {
    uint8_t byte = 0;
    EXPECT_EQ(AX(axclrtMemcpy)(&byte, device, 1, AXCL_MEMCPY_DEVICE_TO_HOST), AXCL_SUCC);
    return byte;
  }
  void* Zeros(size_t size) {
    void* device = Malloc(size);
    EXPECT_EQ(AX(axclrtMemset)(device, 0, size), AXCL_SUCC);
    return device;
  }
};

TEST_F(StreamTest, Arguments) {
  void* stream = nullptr;
  void* event = nullptr;
  int local = 0;
  EXPECT_EQ(AX(axclrtCreateStream)(&stream), Code(0x80300284)) << "before axclInit";
  EXPECT_EQ(AX(axclrtCreateEvent)(&event), Code(0x80300185));
  EXPECT_EQ(AX(axclrtSynchronizeDevice)(), AXCL_SUCC) << "there is nothing to wait for";
  Open();
  EXPECT_EQ(AX(axclrtCreateStream)(nullptr), Code(0x80300302));
  EXPECT_EQ(AX(axclrtDestroyStream)(nullptr), Code(0x80300302));
  EXPECT_EQ(AX(axclrtDestroyStreamForce)(nullptr), Code(0x80300302));
  EXPECT_EQ(AX(axclrtSynchronizeStream)(nullptr), Code(0x80300302));
  EXPECT_EQ(AX(axclrtSynchronizeStreamWithTimeout)(nullptr, 1), Code(0x80300302));
  EXPECT_EQ(AX(axclrtCreateEvent)(nullptr), Code(0x80300302));
  EXPECT_EQ(AX(axclrtDestroyEvent)(nullptr), Code(0x80300302));
  stream = Stream();
  event = Event();
  EXPECT_EQ(AX(axclrtRecordEvent)(nullptr, stream), Code(0x80300302));
  EXPECT_EQ(AX(axclrtRecordEvent)(event, nullptr), Code(0x80300302));
  EXPECT_EQ(AX(axclrtStreamWaitEvent)(nullptr, event), Code(0x80300302));
  EXPECT_EQ(AX(axclrtStreamWaitEventWithTimeout)(stream, nullptr, 1), Code(0x80300302));
  EXPECT_EQ(AX(axclrtRecordEvent)(stream, event), Code(0x80300383)) << "the wrong way round";
  EXPECT_EQ(AX(axclrtStreamWaitEvent)(event, stream), Code(0x80300384));
  EXPECT_EQ(AX(axclrtDestroyEvent)(stream), Code(0x80300382));
  EXPECT_EQ(AX(axclrtDestroyStream)(event), Code(0x80300382));
  EXPECT_EQ(AX(axclrtSynchronizeStream)(&local), kUnknown);

  void* device = Zeros(64);
  char host[64] = {};
  const auto up = AXCL_MEMCPY_HOST_TO_DEVICE;
  EXPECT_EQ(AX(axclrtMemsetAsync)(nullptr, 0, 1, stream), Code(0x80300502));
  EXPECT_EQ(AX(axclrtMemsetAsync)(device, 0, 1, nullptr), Code(0x80300302));
  EXPECT_EQ(AX(axclrtMemsetAsync)(device, 0, 1, &local), kUnknown);
  EXPECT_EQ(AX(axclrtMemcpyAsync)(nullptr, host, 1, up, stream), Code(0x80300502));
  EXPECT_EQ(AX(axclrtMemcpyAsync)(device, nullptr, 1, up, stream), Code(0x80300502));
  EXPECT_EQ(AX(axclrtMemcpyAsync)(device, host, 1, up, nullptr), Code(0x80300302));
  EXPECT_EQ(AX(axclrtMemcpyAsync)(device, host, 1, up, event), kUnknown);
  EXPECT_EQ(AX(axclrtMemcpyAsync)(host, host, 1, AXCL_MEMCPY_HOST_TO_HOST, stream),
            AXCL_ERR_UNSUPPORT);
  EXPECT_EQ(AX(axclrtMemcpyAsync)(device, host, 1, AXCL_MEMCPY_HOST_PHY_TO_DEVICE, stream),
            AXCL_ERR_UNSUPPORT);
  EXPECT_EQ(AX(axclrtMemcmpAsync)(device, nullptr, 1, stream), Code(0x80300502));
  EXPECT_EQ(AX(axclrtMemcmpAsync)(device, device, 1, nullptr), Code(0x80300302));

  ASSERT_EQ(AX(axclrtDestroyStream)(stream), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtDestroyStream)(stream), Code(0x80300382));
  EXPECT_EQ(AX(axclrtSynchronizeStream)(stream), kUnknown);
  EXPECT_EQ(AX(axclrtMemsetAsync)(device, 0, 1, stream), kUnknown);
  EXPECT_EQ(AX(axclrtRecordEvent)(event, stream), Code(0x80300383));
  ASSERT_EQ(AX(axclrtDestroyEvent)(event), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtDestroyEvent)(event), Code(0x80300382));
}

TEST_F(StreamTest, TheDefaultStream) {
  Open();
  void* context = nullptr;
  void* stream = nullptr;
  ASSERT_EQ(AX(axclrtGetCurrentContext)(&context), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtGetDefaultStream)(nullptr, &stream), Code(0x80300302));
  EXPECT_EQ(AX(axclrtGetDefaultStream)(context, nullptr), Code(0x80300302));
  EXPECT_EQ(AX(axclrtGetDefaultStream)(&stream, &stream), Code(0x80300284));
  ASSERT_EQ(AX(axclrtGetDefaultStream)(context, &stream), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(stream), kUnknown);
  EXPECT_EQ(AX(axclrtSynchronizeStreamWithTimeout)(stream, 1), kUnknown);
  EXPECT_EQ(AX(axclrtDestroyStream)(stream), Code(0x80300382));
  EXPECT_EQ(AX(axclrtDestroyStreamForce)(stream), Code(0x80300382));
  // Queued work and synchronous calls keep one order in it.
  void* device = Zeros(1);
  for (int i = 1; i < 200; ++i) {
    Set(device, static_cast<uint8_t>(i), 1, stream);
    EXPECT_EQ(Byte(device), i);
  }
}

TEST_F(StreamTest, WorkOfAStreamKeepsItsOrder) {
  Open();
  void* stream = Stream();
  constexpr size_t kCount = 256;
  void* a = Zeros(kCount);
  void* b = Zeros(kCount);
  std::vector<uint8_t> up(kCount);
  std::vector<uint8_t> down(kCount);
  for (size_t i = 0; i < kCount; ++i) up[i] = static_cast<uint8_t>(i);
  for (int round = 0; round < 20; ++round) {
    Copy(a, up.data(), kCount, AXCL_MEMCPY_HOST_TO_DEVICE, stream);
    for (size_t i = 0; i < 100; ++i) {  // shifts it by one
      Copy(b, At(a, 1), kCount - 1, AXCL_MEMCPY_DEVICE_TO_DEVICE, stream);
      Set(At(b, kCount - 1), 7, 1, stream);
      std::swap(a, b);
    }
    Copy(down.data(), a, kCount, AXCL_MEMCPY_DEVICE_TO_HOST, stream);
    ASSERT_EQ(AX(axclrtMemcmpAsync)(a, b, kCount, stream), AXCL_SUCC);
    Sync(stream);
    for (size_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(down[i], i + 100 < kCount ? static_cast<uint8_t>(i + 100) : 7) << i;
    }
  }
  EXPECT_EQ(AX(axclrtDestroyStream)(stream), AXCL_SUCC);
}

TEST_F(StreamTest, StreamsHaveNoOrderButByEvents) {
  Open();
  void* device = Zeros(2);
  const Blocked first = Block();
  Set(device, 1, 1, first.stream);
  void* second = Stream();
  Copy(At(device, 1), device, 1, AXCL_MEMCPY_DEVICE_TO_DEVICE, second);
  Sync(second);  // does not wait for the first
  EXPECT_EQ(Byte(At(device, 1)), 0);
  EXPECT_EQ(Byte(device), 0);
  Record(first.event, second);
  Sync(first.stream);
  EXPECT_EQ(Byte(device), 1);
  // A chain over three streams, queued back to front.
  void* streams[] = {Stream(), Stream(), Stream()};
  for (int round = 0; round < 30; ++round) {
    void* events[] = {Event(), Event()};
    void* cells = Zeros(3);
    for (int i = 2; i > 0; --i) {
      Wait(streams[i], events[i - 1]);
      Copy(At(cells, i), At(cells, i - 1), 1, AXCL_MEMCPY_DEVICE_TO_DEVICE, streams[i]);
      if (i < 2) Record(events[i], streams[i]);
    }
    Set(cells, 9, 1, streams[0]);
    Record(events[0], streams[0]);
    Sync(streams[2]);
    EXPECT_EQ(Byte(At(cells, 2)), 9);
    // An event stays recorded, and what is queued keeps one that is destroyed.
    Wait(streams[0], events[1]);
    ASSERT_EQ(AX(axclrtDestroyEvent)(events[1]), AXCL_SUCC);
    Sync(streams[0]);
    ASSERT_EQ(AX(axclrtDestroyEvent)(events[0]), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtFree)(cells), AXCL_SUCC);
  }
}

TEST_F(StreamTest, Timeouts) {
  Open();
  void* device = Zeros(1);
  const Blocked blocked = Block();
  Set(device, 1, 1, blocked.stream);
  EXPECT_EQ(AX(axclrtSynchronizeStreamWithTimeout)(blocked.stream, 0), kTimeout);
  EXPECT_EQ(AX(axclrtSynchronizeStreamWithTimeout)(blocked.stream, 3), kTimeout);
  EXPECT_EQ(Byte(device), 0);
  void* other = Stream();
  EXPECT_EQ(AX(axclrtSynchronizeStreamWithTimeout)(other, 0), AXCL_SUCC);
  Record(blocked.event, other);
  EXPECT_EQ(AX(axclrtSynchronizeStreamWithTimeout)(blocked.stream, 600'000), AXCL_SUCC);
  EXPECT_EQ(Byte(device), 1);
  // A wait that ran out is silent, and the stream goes on.
  void* never = Event();
  for (const int32_t timeout_ms : {0, 2}) {
    ASSERT_EQ(AX(axclrtStreamWaitEventWithTimeout)(other, never, timeout_ms), AXCL_SUCC);
    Set(device, static_cast<uint8_t>(2 + timeout_ms), 1, other);
    Sync(other);
    EXPECT_EQ(Byte(device), 2 + timeout_ms);
  }
}

TEST_F(StreamTest, ErrorsOfQueuedWorkAreSilent) {
  Open();
  void* stream = Stream();
  void* device = Zeros(16);
  void* freed = Zeros(16);
  uint8_t host[16] = {5};
  const Blocked blocked = Block();
  Copy(device, freed, 16, AXCL_MEMCPY_DEVICE_TO_DEVICE, blocked.stream);
  ASSERT_EQ(AX(axclrtFree)(freed), AXCL_SUCC);
  Record(blocked.event, stream);
  Sync(blocked.stream);
  Set(freed, 1, 16, stream);
  Set(device, 1, 17, stream);  // one byte too many: none is written
  Set(host, 1, 16, stream);
  Copy(host, host, 16, AXCL_MEMCPY_DEVICE_TO_HOST, stream);
  Copy(device, device, 16, AXCL_MEMCPY_HOST_TO_DEVICE, stream);
  ASSERT_EQ(AX(axclrtMemcmpAsync)(device, freed, 16, stream), AXCL_SUCC);
  Sync(stream);
  EXPECT_EQ(Byte(device), 0);
  EXPECT_EQ(host[0], 5);
  Set(At(device, 1), 3, 1, stream);
  Sync(stream);
  EXPECT_EQ(Byte(At(device, 1)), 3);
}

TEST_F(StreamTest, DestroyWaitsAndForceDrops) {
  Open();
  void* device = Zeros(1);
  const Blocked busy = Block();
  Set(device, 4, 1, busy.stream);
  auto destroyed =
      std::async(std::launch::async, [&] { return AX(axclrtDestroyStream)(busy.stream); });
  // From now on the handle says nothing, though the work is still to come.
  while (AX(axclrtSynchronizeStreamWithTimeout)(busy.stream, 0) != kUnknown) {
    std::this_thread::yield();
  }
  EXPECT_EQ(AX(axclrtDestroyStream)(busy.stream), Code(0x80300382));
  EXPECT_EQ(AX(axclrtMemsetAsync)(device, 1, 1, busy.stream), kUnknown);
  void* other = Stream();
  Record(busy.event, other);
  EXPECT_EQ(destroyed.get(), AXCL_SUCC);
  EXPECT_EQ(Byte(device), 4);

  const Blocked stuck = Block();
  Set(device, 5, 1, stuck.stream);
  auto synced =
      std::async(std::launch::async, [&] { return AX(axclrtSynchronizeStream)(stuck.stream); });
  EXPECT_EQ(AX(axclrtDestroyStreamForce)(stuck.stream), AXCL_SUCC);
  EXPECT_EQ(synced.get(), kUnknown);
  EXPECT_EQ(AX(axclrtDestroyStreamForce)(stuck.stream), Code(0x80300382));
  Record(stuck.event, other);
  Sync(other);
  EXPECT_EQ(Byte(device), 4);
}

TEST_F(StreamTest, StreamsEndWithTheirContext) {
  Open();
  void* device = Zeros(1);
  void* first = nullptr;
  ASSERT_EQ(AX(axclrtGetCurrentContext)(&first), AXCL_SUCC);
  void* context = nullptr;
  ASSERT_EQ(AX(axclrtCreateContext)(&context, card_), AXCL_SUCC);
  const Blocked blocked = Block();
  Set(device, 1, 1, blocked.stream);
  void* default_stream = nullptr;
  ASSERT_EQ(AX(axclrtGetDefaultStream)(context, &default_stream), AXCL_SUCC);
  Wait(default_stream, blocked.event);
  ASSERT_EQ(AX(axclrtSetCurrentContext)(first), AXCL_SUCC);
  // A call of another thread waits its turn, which never comes.
  std::promise<void> bound;
  auto call = std::async(std::launch::async, [&] {
    EXPECT_EQ(AX(axclrtSetCurrentContext)(context), AXCL_SUCC);
    bound.set_value();
    return AX(axclrtMemset)(device, 1, 1);
  });
  bound.get_future().wait();
  ASSERT_EQ(AX(axclrtDestroyContext)(context), AXCL_SUCC);
  EXPECT_EQ(call.get(), Code(0x80300284));
  EXPECT_EQ(AX(axclrtSynchronizeStream)(blocked.stream), kUnknown);
  EXPECT_EQ(AX(axclrtMemsetAsync)(device, 1, 1, default_stream), kUnknown);
  EXPECT_EQ(Byte(device), 0);
  // Resetting the device and ending the driver end streams, too, whatever they wait for.
  const Blocked reset = Block();
  Set(device, 1, 1, reset.stream);
  ASSERT_EQ(AX(axclrtResetDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(reset.stream), kUnknown);
  EXPECT_EQ(AX(axclrtDestroyStream)(reset.stream), Code(0x80300382));
  ASSERT_EQ(AX(axclrtSetDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtRecordEvent)(reset.event, Stream()), Code(0x80300383));
  const Blocked last = Block();
  ASSERT_EQ(AX(axclFinalize)(), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(last.stream), kUnknown);
}

TEST_F(StreamTest, ARebootDropsQueuedWork) {
  Open();
  char host = 1;
  void* device = Zeros(1);
  const Blocked blocked = Block();
  Copy(&host, device, 1, AXCL_MEMCPY_DEVICE_TO_HOST, blocked.stream);
  void* idle = Stream();
  ASSERT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(blocked.stream), kLost);
  EXPECT_EQ(host, 1);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(idle), kLost);
  EXPECT_EQ(AX(axclrtMemsetAsync)(device, 0, 1, idle), kLost);
  EXPECT_EQ(AX(axclrtRecordEvent)(blocked.event, idle), Code(0x80300383));
  EXPECT_EQ(AX(axclrtStreamWaitEvent)(idle, blocked.event), Code(0x80300384));
  void* more = nullptr;
  EXPECT_EQ(AX(axclrtCreateStream)(&more), Code(0x80300381));
  EXPECT_EQ(AX(axclrtCreateEvent)(&more), Code(0x80300381));
  EXPECT_EQ(AX(axclrtSynchronizeDevice)(), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtDestroyStream)(blocked.stream), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtDestroyEvent)(blocked.event), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtSetDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(idle), kUnknown) << "it was the old session's";
  void* stream = Stream();
  device = Zeros(1);
  Set(device, 8, 1, stream);
  Sync(stream);
  EXPECT_EQ(Byte(device), 8);
}

TEST_F(StreamTest, SynchronizeDeviceWaitsForEveryStream) {
  Open(R"({"cards":[{"id":1},{"id":2}]})");
  void* device = Zeros(4);
  void* streams[4];
  for (void*& stream : streams) stream = Stream();
  for (int i = 0; i < 400; ++i) {
    Set(At(device, i % 4), static_cast<uint8_t>(i), 1, streams[i % 4]);
  }
  ASSERT_EQ(AX(axclrtSetDevice)(2), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeDevice)(), AXCL_SUCC);
  for (void* stream : streams) {
    EXPECT_EQ(AX(axclrtSynchronizeStreamWithTimeout)(stream, 0), AXCL_SUCC);
  }
  ASSERT_EQ(AX(axclrtSetDevice)(1), AXCL_SUCC);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(Byte(At(device, i)), static_cast<uint8_t>(396 + i));
}

TEST_F(StreamTest, ForeignThreadsAndCards) {
  Open(R"({"cards":[{"id":1},{"id":2}]})");
  void* device = Zeros(1);
  void* stream = Stream();
  void* event = Event();
  std::thread([&] {  // bound to nothing: streams need no more than the handle, events do
    Set(device, 6, 1, stream);
    Sync(stream);
    EXPECT_EQ(AX(axclrtRecordEvent)(event, stream), Code(0x80300185));
    EXPECT_EQ(AX(axclrtStreamWaitEvent)(stream, event), Code(0x80300185));
    EXPECT_EQ(AX(axclrtDestroyEvent)(event), Code(0x80300185));
  })
      .join();
  EXPECT_EQ(Byte(device), 6);
  ASSERT_EQ(AX(axclrtSetDevice)(2), AXCL_SUCC);
  void* far = Stream();
  void* far_event = Event();
  EXPECT_EQ(AX(axclrtRecordEvent)(event, far), Code(0x80300383));
  EXPECT_EQ(AX(axclrtRecordEvent)(far_event, stream), Code(0x80300383));
  EXPECT_EQ(AX(axclrtStreamWaitEvent)(far, event), Code(0x80300384));
  EXPECT_EQ(AX(axclrtDestroyEvent)(event), Code(0x80300382));
  Set(device, 7, 1, far);  // the other card has no such memory
  Sync(far);
  ASSERT_EQ(AX(axclrtSetDevice)(1), AXCL_SUCC);
  EXPECT_EQ(Byte(device), 6);
}

TEST_F(StreamTest, ThreadsShareAStream) {
  Open();
  void* stream = Stream();
  void* context = nullptr;
  ASSERT_EQ(AX(axclrtGetCurrentContext)(&context), AXCL_SUCC);
  constexpr int kThreads = 4;
  void* cells = Zeros(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      ASSERT_EQ(AX(axclrtSetCurrentContext)(context), AXCL_SUCC);
      for (int i = 0; i < 200; ++i) {
        Set(At(cells, t), static_cast<uint8_t>(i), 1, stream);
        if (i % 20 == 0) {
          uint8_t seen = 0;
          Copy(&seen, At(cells, t), 1, AXCL_MEMCPY_DEVICE_TO_HOST, stream);
          Sync(stream);
          EXPECT_EQ(seen, static_cast<uint8_t>(i));
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  Sync(stream);
  for (int t = 0; t < kThreads; ++t) EXPECT_EQ(Byte(At(cells, t)), 199);
}

// With work still queued, by exit(): it ends, and nothing touches what is torn down.
TEST_F(StreamTest, AProcessMayExitWithQueuedWork) {
  Holder holder(1);
  ASSERT_TRUE(holder.started());
  holder.Send("exit");
  EXPECT_EQ(holder.Wait(), 0);
}

}  // namespace
}  // namespace axsim::entry
