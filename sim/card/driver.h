// The host driver of one process: initialisation, cards, sessions, contexts, and which thread is
// bound to what.
//
// A session is one activation of a card by this process (on hardware: its worker process on the
// card); it ends when every SetDevice was reset, at Finalize, or by a reboot. A context belongs to
// a session and serialises the synchronous calls made through it (its default stream).
// Return codes are the vendor's, from abi/axcl.h.
// Owner: the process; the driver is never destroyed, since clients call it from atexit handlers.
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "abi/axcl.h"
#include "sim/card/books.h"
#include "sim/card/handles.h"
#include "sim/card/memory.h"
#include "sim/card/stream.h"
#include "sim/card/turn.h"
#include "sim/card/work_queue.h"
#include "sim/config/config.h"
#include "sim/faults/board.h"
#include "sim/timing/costs.h"

namespace axsim::card {

struct LoadedModel;  // engine.h

struct Context;

struct Session {
  // `id` at present; `config_id` is the card's first.
  Session(int32_t id, int32_t config_id, std::shared_ptr<Books> its_books,
          std::shared_ptr<faults::Board> its_faults, const timing::Costs& its_costs)
      : card_id(id),
        books(std::move(its_books)),
        faults(std::move(its_faults)),
        costs(its_costs),
        memory(config_id) {}
  // Active, and the card was not rebooted since.
  bool IsUsable() const { return active.load() && books->IsCurrent(); }

  const int32_t card_id;
  // Takes memory of the card. False: there is no room, or a fault says so.
  bool Take(uint64_t bytes) {
    return !faults->Fire(faults::Kind::kOutOfMemory) && books->Take(bytes);
  }

  const std::shared_ptr<Books> books;
  const std::shared_ptr<faults::Board> faults;
  const timing::Costs& costs;  // of the profile
  std::atomic<bool> active{true};
  std::atomic<bool> needs_reset{false};  // a fault: its loads and executes fail
  Memory memory;
  std::shared_ptr<Context> default_context;

  std::mutex mutex;  // guards the rest
  bool engine_ready = false;
  axclrtEngineVNpuKind vnpu = AXCL_VNPU_DISABLE;
  std::map<uint64_t, std::shared_ptr<LoadedModel>> models;
};

struct Context {
  void* handle = nullptr;
  int32_t id = 0;
  bool is_default = false;
  std::shared_ptr<Session> session;
  std::atomic<bool> alive{true};
  // The default stream: a synchronous call has its turn in it.
  const std::shared_ptr<WorkQueue> default_queue = std::make_shared<WorkQueue>();
  void* default_stream = nullptr;  // its handle
  // The driver guards the rest.
  std::vector<std::shared_ptr<WorkQueue>> queues{default_queue};
  int32_t last_stream_id = 1;
};

class Driver {
 public:
  static Driver& Get();

  axclError Init(std::string_view argument);
  // True in `last` when this ended the driver: every session is over.
  axclError Finalize(bool* last);
  // What the last Init read; the defaults before.
  config::Config config() const;

  // The cards' ids, ascending.
  axclError ListCards(std::vector<int32_t>* ids) const;
  // The processes that use a card. False: no such card.
  bool ListPids(int32_t card_id, std::vector<uint32_t>* pids);
  axclError SetDevice(int32_t card_id);
  axclError ResetDevice(int32_t card_id);
  axclError ReadProperties(int32_t card_id, axclrtDeviceProperties* properties);
  axclError Reboot(int32_t card_id);

  axclError CreateContext(int32_t card_id, void** handle);
  axclError DestroyContext(const void* handle);
  axclError SetCurrentContext(const void* handle);
  axclError GetDefaultContext(int32_t card_id, void** handle);
  std::shared_ptr<Context> FindContext(const void* handle) const { return contexts_.Find(handle); }
  // The calling thread's; nullptr: none is bound, or it was destroyed, or its session is over.
  std::shared_ptr<Context> CurrentContext() const;

  // Streams. Whoever has the handle may use one, whatever the thread is bound to; a new one belongs
  // to the calling thread's context.
  axclError CreateStream(void** handle);
  // Waits for its work, or with `force` only for what runs already.
  axclError DestroyStream(const void* handle, bool force);
  axclError SynchronizeStream(const void* handle, int32_t timeout_ms);
  axclError GetDefaultStream(const void* context, void** handle);
  std::shared_ptr<Stream> FindStream(const void* handle) const { return streams_.Find(handle); }
  // Queues `work`, which is dropped if the session ends or the card is rebooted first. What becomes
  // of it is not reported.
  using Work = std::function<void(Session&, Turn&)>;
  static axclError Submit(const Stream& stream, Work work);
  // Waits for all streams of all cards.
  void SynchronizeCards();

  // Events need a thread with a device, and are that device's.
  axclError CreateEvent(void** handle);
  axclError DestroyEvent(const void* handle);
  axclError RecordEvent(const void* event, const void* stream);
  axclError StreamWaitEvent(const void* stream, const void* event, int32_t timeout_ms);

  // For the end of the process: drops queued work, so that none touches memory of the program
  // while that is torn down. Calls still work: the program's own exit handlers may clean up.
  void AbandonWork();

 private:
  struct Card {
    int32_t id() const { return faults->visible_id(); }
    config::Card config;
    std::shared_ptr<Books> books;
    std::shared_ptr<faults::Board> faults;
    std::shared_ptr<Session> session;  // nullptr: not active
    uint32_t references = 0;           // SetDevice calls not yet reset
    uint64_t uid = 0;
  };

  Driver() = default;
  // nullptr with the code to return: not initialised, no card, or no such id.
  Card* FindCard(int32_t card_id, axclError* code);
  // False: a fault took it away.
  static bool IsThere(const Card& card);
  int32_t UnusedId(int32_t after) const;
  axclError Activate(Card* card);
  void Deactivate(Card* card);
  std::shared_ptr<Context> MakeContext(const std::shared_ptr<Session>& session, bool is_default);
  static void Bind(const std::shared_ptr<Context>& context);
  void* AddStream(const std::shared_ptr<Context>& context, std::shared_ptr<WorkQueue> queue,
                  int32_t id);
  // The event of the calling thread's device and the stream, if both are of one session; else
  // `code`, or the one that says there is no device.
  axclError FindEventAndStream(const void* event, const void* stream, axclError code,
                               std::shared_ptr<Event>* found_event,
                               std::shared_ptr<Stream>* found_stream) const;

  mutable std::mutex mutex_;
  uint32_t inits_ = 0;
  axclError init_failure_ = AXCL_SUCC;
  config::Config config_;
  std::vector<Card> cards_;
  int32_t next_context_id_ = 0;
  Handles<Context> contexts_{0x51};
  Handles<Stream> streams_{0x54};
  Handles<Event> events_{0x55};
};

}  // namespace axsim::card
