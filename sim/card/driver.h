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
#include "sim/config/config.h"

namespace axsim::card {

struct LoadedModel;  // engine.h

struct Context;

struct Session {
  Session(int32_t id, std::shared_ptr<Books> its_books)
      : card_id(id), books(std::move(its_books)), memory(id) {}
  // Active, and the card was not rebooted since.
  bool IsUsable() const { return active.load() && books->IsCurrent(); }

  const int32_t card_id;
  const std::shared_ptr<Books> books;
  std::atomic<bool> active{true};
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
  std::mutex stream;  // the default stream: held during a synchronous call
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

 private:
  struct Card {
    config::Card config;
    std::shared_ptr<Books> books;
    std::shared_ptr<Session> session;  // nullptr: not active
    uint32_t references = 0;           // SetDevice calls not yet reset
    uint64_t uid = 0;
  };

  Driver() = default;
  // nullptr with the code to return: not initialised, no card, or no such id.
  Card* FindCard(int32_t card_id, axclError* code);
  axclError Activate(Card* card);
  void Deactivate(Card* card);
  std::shared_ptr<Context> MakeContext(const std::shared_ptr<Session>& session, bool is_default);
  static void Bind(const std::shared_ptr<Context>& context);

  mutable std::mutex mutex_;
  uint32_t inits_ = 0;
  axclError init_failure_ = AXCL_SUCC;
  config::Config config_;
  std::vector<Card> cards_;
  int32_t next_context_id_ = 0;
  Handles<Context> contexts_{0x51};
};

}  // namespace axsim::card
