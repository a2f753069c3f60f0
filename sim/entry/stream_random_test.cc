// Random sequences of legal and illegal stream and event calls, against a model of what each
// returns and what is in memory afterwards.
#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <random>
#include <thread>

#include "sim/entry/fixture.h"

namespace axsim::entry {
namespace {

constexpr size_t kCells = 8;
constexpr size_t kSlots = 4;
constexpr size_t kEvents = 4;
constexpr int kSteps = 300;
constexpr int kRounds = 12;
constexpr int kPlayers = 3;

using Cells = std::array<uint8_t, kCells>;

struct ModelEvent {
  bool recorded = false;
};
using EventPtr = std::shared_ptr<ModelEvent>;

// A copy to the host: when its turn comes in the model, `expected` is what it brings.
struct Download {
  Cells host{};
  Cells expected{};
};

struct Op {
  enum class Kind { kSet, kCopy, kUp, kDown, kRecord, kWait } kind;
  size_t from = 0;
  size_t to = 0;
  uint8_t value = 0;
  EventPtr event;
  std::shared_ptr<Cells> up;
  std::shared_ptr<Download> down;
};

// A stream with device memory of its own, and what the model knows of both.
struct Slot {
  void* stream = nullptr;
  void* device = nullptr;
  Cells cells{};
  std::deque<Op> pending;                   // from the first that waits for an event not recorded
  std::vector<EventPtr> records;            // queued since the last wait for the stream
  std::vector<std::shared_ptr<Cells>> ups;  // the same
  std::vector<std::shared_ptr<Download>> downs;  // the same
  bool blocked() const { return !pending.empty(); }
};

struct EventSlot {
  void* handle = nullptr;
  EventPtr model;
};

// One thread's calls in a context of its own.
class Player {
 public:
  Player(uint32_t seed, int32_t card) : random_(seed), card_(card) {}

  void Play() {
    Check(AX(axclrtCreateContext)(&context_, card_));
    Check(AX(axclrtCreateStream)(&helper_));
    for (Slot& slot : slots_) {
      Check(AX(axclrtMalloc)(&slot.device, kCells, AXCL_MEM_MALLOC_HUGE_FIRST));
      Check(AX(axclrtMemset)(slot.device, 0, kCells));
    }
    for (int step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE(step);
      Step();
      Advance();
    }
    for (Slot& slot : slots_) {
      if (slot.stream != nullptr) Destroy(slot, slot.blocked());
      Check(AX(axclrtFree)(slot.device));
    }
    for (EventSlot& event : events_) {
      if (event.handle != nullptr) Check(AX(axclrtDestroyEvent)(event.handle));
    }
    Check(AX(axclrtDestroyContext)(context_));  // and the helper with it
  }

 private:
  uint32_t Pick(uint32_t count) { return static_cast<uint32_t>(random_() % count); }
  static void Check(axclError code, axclError expected = AXCL_SUCC) { EXPECT_EQ(code, expected); }
  static char* At(const Slot& slot, size_t cell) { return static_cast<char*>(slot.device) + cell; }

  // Does in the model what nothing holds up.
  void Advance() {
    for (bool changed = true; changed;) {
      changed = false;
      for (Slot& slot : slots_) {
        while (!slot.pending.empty()) {
          const Op& op = slot.pending.front();
          if (op.kind == Op::Kind::kWait && !op.event->recorded) break;
          Apply(slot, op);
          slot.pending.pop_front();
          changed = true;
        }
      }
    }
  }
  static void Apply(Slot& slot, const Op& op) {
    switch (op.kind) {
      case Op::Kind::kSet:
        slot.cells[op.to] = op.value;
        break;
      case Op::Kind::kCopy:
        slot.cells[op.to] = slot.cells[op.from];
        break;
      case Op::Kind::kUp:
        slot.cells = *op.up;
        break;
      case Op::Kind::kDown:
        op.down->expected = slot.cells;
        break;
      case Op::Kind::kRecord:
        op.event->recorded = true;
        break;
      case Op::Kind::kWait:
        break;
    }
  }

  void Step() {
    Slot& slot = slots_[Pick(kSlots)];
    EventSlot& event = events_[Pick(kEvents)];
    if (event.handle == nullptr) {
      Check(AX(axclrtCreateEvent)(&event.handle));
      event.model = std::make_shared<ModelEvent>();
    }
    if (slot.stream == nullptr) {
      Check(AX(axclrtCreateStream)(&slot.stream));
      return;
    }
    switch (Pick(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        return QueueMemory(slot);
      case 6:
      case 7:
        Check(AX(axclrtRecordEvent)(event.handle, slot.stream));
        slot.pending.push_back({.kind = Op::Kind::kRecord, .event = event.model});
        slot.records.push_back(event.model);
        return;
      case 8:
        Check(AX(axclrtStreamWaitEvent)(slot.stream, event.handle));
        slot.pending.push_back({.kind = Op::Kind::kWait, .event = event.model});
        return;
      case 9:  // whether it runs out or not, the stream goes on
        return Check(AX(axclrtStreamWaitEventWithTimeout)(slot.stream, event.handle,
                                                          static_cast<int32_t>(Pick(2))));
      case 10:
        Check(AX(axclrtRecordEvent)(event.handle, helper_));
        event.model->recorded = true;
        return;
      case 11:
        // Not while a stream that may be destroyed by force is to record it: nobody else could.
        if (IsToBeRecorded(event.model)) return;
        Check(AX(axclrtDestroyEvent)(event.handle));
        Check(AX(axclrtRecordEvent)(event.handle, slot.stream), Code(0x80300383));
        Check(AX(axclrtStreamWaitEvent)(slot.stream, event.handle), Code(0x80300384));
        Check(AX(axclrtDestroyEvent)(event.handle), Code(0x80300382));
        event = {};
        return;
      case 12:
      case 13:
        return Synchronize(slot);
      case 14:
        if (Pick(3) != 0) return Mistake(slot, event);
        return Destroy(slot, slot.blocked() || Pick(2) == 0);
      default:
        return Mistake(slot, event);
    }
  }

  bool IsToBeRecorded(const EventPtr& event) const {
    for (const Slot& slot : slots_) {
      if (std::find(slot.records.begin(), slot.records.end(), event) != slot.records.end()) {
        return true;
      }
    }
    return false;
  }

  void QueueMemory(Slot& slot) {
    Op op{.kind = Op::Kind::kSet, .from = Pick(kCells), .to = Pick(kCells)};
    switch (Pick(4)) {
      case 0:
        op.value = static_cast<uint8_t>(random_());
        Check(AX(axclrtMemsetAsync)(At(slot, op.to), op.value, 1, slot.stream));
        break;
      case 1:
        op.kind = Op::Kind::kCopy;
        Check(AX(axclrtMemcpyAsync)(At(slot, op.to), At(slot, op.from), 1,
                                    AXCL_MEMCPY_DEVICE_TO_DEVICE, slot.stream));
        break;
      case 2:
        op.kind = Op::Kind::kUp;
        op.up = slot.ups.emplace_back(std::make_shared<Cells>());
        for (uint8_t& cell : *op.up) cell = static_cast<uint8_t>(random_());
        Check(AX(axclrtMemcpyAsync)(slot.device, op.up->data(), kCells, AXCL_MEMCPY_HOST_TO_DEVICE,
                                    slot.stream));
        break;
      default:
        op.kind = Op::Kind::kDown;
        op.down = slot.downs.emplace_back(std::make_shared<Download>());
        Check(AX(axclrtMemcpyAsync)(op.down->host.data(), slot.device, kCells,
                                    AXCL_MEMCPY_DEVICE_TO_HOST, slot.stream));
        break;
    }
    slot.pending.push_back(std::move(op));
  }

  void Synchronize(Slot& slot) {
    if (slot.blocked()) {
      return Check(
          AX(axclrtSynchronizeStreamWithTimeout)(slot.stream, static_cast<int32_t>(Pick(2))),
          Code(0x80300383));
    }
    Check(Pick(2) == 0 ? AX(axclrtSynchronizeStream)(slot.stream)
                       : AX(axclrtSynchronizeStreamWithTimeout)(slot.stream, 600'000));
    Compare(slot);
  }

  // After all of its work: memory, and what was copied to the host, are as in the model.
  void Compare(Slot& slot) {
    for (const auto& down : slot.downs) EXPECT_EQ(down->host, down->expected);
    Cells cells{};
    Check(AX(axclrtMemcpy)(cells.data(), slot.device, kCells, AXCL_MEMCPY_DEVICE_TO_HOST));
    EXPECT_EQ(cells, slot.cells);
    slot.downs.clear();
    slot.ups.clear();
    slot.records.clear();
  }

  void Destroy(Slot& slot, bool force) {
    void* stream = slot.stream;
    if (force) {
      Check(AX(axclrtDestroyStreamForce)(stream));
      // Which of its work was done is unknown: make it known. An event recorded by it may still be
      // waited for.
      slot.pending.clear();
      for (const EventPtr& record : slot.records) RecordAgain(record);
      slot.records.clear();
      slot.downs.clear();
      slot.ups.clear();
      Check(AX(axclrtMemset)(slot.device, 0, kCells));
      slot.cells = {};
    } else {
      Check(AX(axclrtDestroyStream)(stream));
      Compare(slot);
    }
    slot.stream = nullptr;
    Check(AX(axclrtDestroyStream)(stream), Code(0x80300382));
    Check(AX(axclrtDestroyStreamForce)(stream), Code(0x80300382));
    Check(AX(axclrtSynchronizeStream)(stream), -1);
    Check(AX(axclrtMemsetAsync)(slot.device, 1, 1, stream), -1);
  }

  void RecordAgain(const EventPtr& record) {
    for (const EventSlot& event : events_) {
      if (event.model == record) Check(AX(axclrtRecordEvent)(event.handle, helper_));
    }
    record->recorded = true;
  }

  // Calls that are wrong in a way that is seen at once, or silent; none changes anything.
  void Mistake(const Slot& slot, const EventSlot& event) {
    char host[kCells] = {};
    void* const stream = slot.stream;
    switch (Pick(14)) {
      case 0:
        return Check(AX(axclrtCreateStream)(nullptr), Code(0x80300302));
      case 1:
        return Check(AX(axclrtSynchronizeStream)(nullptr), Code(0x80300302));
      case 2: {
        void* default_stream = nullptr;
        Check(AX(axclrtGetDefaultStream)(context_, &default_stream));
        Check(AX(axclrtSynchronizeStream)(default_stream), -1);
        return Check(AX(axclrtDestroyStream)(default_stream), Code(0x80300382));
      }
      case 3:
        return Check(AX(axclrtRecordEvent)(stream, event.handle), Code(0x80300383));
      case 4:
        return Check(AX(axclrtStreamWaitEvent)(stream, host), Code(0x80300384));
      case 5:
        return Check(AX(axclrtMemcpyAsync)(host, host, 1, AXCL_MEMCPY_HOST_TO_HOST, stream),
                     AXCL_ERR_UNSUPPORT);
      case 6:
        return Check(AX(axclrtMemsetAsync)(nullptr, 0, 1, stream), Code(0x80300502));
      case 7:
        return Check(AX(axclrtMemsetAsync)(slot.device, 0, 1, event.handle), -1);
      case 8:
        return Check(AX(axclrtMemcmpAsync)(slot.device, slot.device, 1, nullptr), Code(0x80300302));
      case 9:  // one byte too many
        return Check(AX(axclrtMemsetAsync)(slot.device, 1, kCells + 1, stream));
      case 10:
        return Check(AX(axclrtMemsetAsync)(At(slot, kCells + 5), 1, 1, stream));
      case 11:
        return Check(
            AX(axclrtMemcpyAsync)(slot.device, slot.device, 1, AXCL_MEMCPY_HOST_TO_DEVICE, stream));
      case 12:
        return Check(AX(axclrtMemcmpAsync)(slot.device, At(slot, 1), kCells - 1, stream));
      default:
        return Check(AX(axclrtMemset)(At(slot, 1), 1, kCells), Code(0x80300581));
    }
  }

  std::mt19937 random_;
  const int32_t card_;
  void* context_ = nullptr;
  void* helper_ = nullptr;  // never waits for anything
  std::array<Slot, kSlots> slots_;
  std::array<EventSlot, kEvents> events_;
};

TEST_F(EntryTest, RandomStreamCallsFollowTheModel) {
  Open();
  const uint64_t free_kb = FreeKb();
  for (uint32_t round = 0; round < kRounds && !HasFailure(); ++round) {
    std::vector<std::thread> threads;
    for (uint32_t player = 0; player < kPlayers; ++player) {
      threads.emplace_back([this, seed = round * kPlayers + player] {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Player(seed, card_).Play();
      });
    }
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(AX(axclrtSynchronizeDevice)(), AXCL_SUCC);
  EXPECT_EQ(FreeKb(), free_kb);
}

}  // namespace
}  // namespace axsim::entry
