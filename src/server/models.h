// The models of this server: which are loaded, who may use them, and what happens when one breaks.
//
// A request asks for a model and waits until it is loaded and its one sequence is free. Who comes
// next, which model is loaded next and which one makes room for it is Schedule's decision. Models
// are loaded on demand, unloaded after keep_alive unless they are pinned, and brought back by the
// ladder of design 2 when their process dies, gets stuck or leaves memory on the card.
//
// Owner: ServeMain; outlives every handler. Threads: any. Two threads of its own: one watches
// (keep_alive, stuck runners), one does what takes time (ends, recovery); and one for each load.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api/runner.h"
#include "base/result.h"
#include "bundle/bundle.h"
#include "bundle/roots.h"
#include "server/call_slot.h"
#include "server/card.h"
#include "server/keep_alive.h"
#include "server/runner_process.h"
#include "server/runtime_folder.h"
#include "server/schedule.h"
#include "store/store.h"

namespace axollama::server {

struct ModelsOptions {
  std::string program = "/proc/self/exe";
  std::vector<std::filesystem::path> roots;
  std::string device;                // "": by bundle
  std::optional<int64_t> device_id;  // absent: the first card
  int64_t keep_alive_ns = 300'000'000'000;
  size_t max_queue = 512;
  size_t max_loaded = 0;  // 0: as many as fit
  std::chrono::milliseconds turn{10'000};
  int64_t context_tokens = 0;  // where neither request nor model name num_ctx; 0: all there is
  std::chrono::milliseconds stall_limit{60'000};
  std::chrono::milliseconds load_limit{300'000};
  RebootPolicy reboot = RebootPolicy::kAuto;
};

class Models {
 public:
  struct Instance;  // models_state.h

  // A model that is ready and, unless only loaded, its sequence: ours until the grant goes.
  class Grant {
   public:
    Grant(Models* models, std::shared_ptr<Instance> instance, std::shared_ptr<CallSlot> slot,
          int64_t begun_ns, int64_t waited_ns);
    Grant(Grant&&) = default;
    Grant& operator=(Grant&&) = delete;
    ~Grant();

    net::Target target() const;
    const api::RunnerProps& props() const;
    const bundle::Bundle& bundle() const;
    const std::string& name() const;
    CallSlot& slot() const { return *slot_; }         // of one that has the sequence
    int64_t waited_ns() const { return waited_ns_; }  // for the queue and the load
    // The runner did not end its answer: it is dead or about to be.
    void RunnerBroke();
    // The runner answered that the device failed: it gets a new process, and when that does not
    // help the card is rebooted.
    void DeviceFailed();
    void Succeeded();

   private:
    friend class Models;
    Models* models_;
    std::shared_ptr<Instance> instance_;
    std::shared_ptr<CallSlot> slot_;
    int64_t begun_ns_;
    int64_t waited_ns_;
  };

  struct Request {
    bundle::ModelRef model;
    std::optional<int64_t> keep_alive_ns;
    bool load_only = false;          // needs the model, not its sequence
    std::string client;              // whose it is: each client gets its turn
    bool own = false;                // the server's: no full queue refuses it
    std::shared_ptr<CallSlot> slot;  // its reason ends the wait
  };

  struct Loaded {
    bundle::ModelRef model;
    std::shared_ptr<const bundle::Bundle> bundle;
    api::RunnerProps props;
    int64_t expires_ns = 0;  // MonotonicNs(); KeepAlive::kForever
    pid_t pid = 0;
  };

  struct Health {
    std::string status;  // ok, loading, recovering or failed
    std::string reason;  // of failed
    std::string backend;
    std::optional<CardProperties> card;
    std::optional<Loaded> current;
  };

  Models(ModelsOptions options, RuntimeFolder* runtime);
  ~Models();  // Shutdown

  const std::vector<std::filesystem::path>& roots() const { return options_.roots; }
  int64_t default_context_tokens() const { return options_.context_tokens; }
  store::Store& store() { return store_; }

  // Never unloaded from now on, but for a reboot of the card. Before the first request for it.
  void Pin(const bundle::ModelRef& model);
  // kBusy: the queue is full. kCancelled: the slot has a reason. Otherwise the load's error.
  Result<Grant> Acquire(Request request);
  // For who was refused as kBusy: after how many seconds it is worth to ask again.
  int RetryAfterS();
  // Waiting requests look at their slots again.
  void Wake();
  // When its present request, if any, has ended; nothing when it is not loaded. Does not wait.
  // kConflict: it is pinned.
  Status Unload(const bundle::ModelRef& model);
  // Another process counts on the model being loaded (an Ollama's llama-server): called before the
  // load and when that process has ended. After the last one the model is unloaded or, where it was
  // loaded before the first came, stays as long as it would have then.
  void AddHolder(const bundle::ModelRef& model);
  void RemoveHolder(const bundle::ModelRef& model);

  std::vector<Loaded> List();
  Health GetHealth();
  // The model that the prototype's routes mean: the one last chosen, else the last one used.
  std::optional<bundle::ModelRef> Current();
  void Choose(const bundle::ModelRef& model);
  // Ends every runner, reboots the card (unless that is forbidden) and loads the current model.
  Status Reset();
  // Ladder steps so far, over all cards, for the log at the end.
  std::string CountersText();

  // Ends waiting and running requests; no grant is given any more. Then EndAll.
  void BeginShutdown();
  // Ends runners and wardens; leaves no memory on the card where it can.
  void EndAll();

 private:
  struct CardSlot;
  struct Ticket;
  struct Holders {
    size_t count = 0;
    std::optional<int64_t> keep_alive_ns;  // of the model before; absent: it was not loaded
  };
  struct Background {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> done;
  };
  using Lock = std::unique_lock<std::mutex>;

  // models.cc: requests and grants. All under the lock.
  void Dispatch();
  void Give(Schedule::Id id, const std::shared_ptr<Instance>& instance);
  void Refuse(Schedule::Id id, const Error& error);
  void Release(const Grant& grant);  // takes the lock
  std::shared_ptr<Instance> Find(const std::string& key) const;
  void NoteUse(const Instance& instance);
  std::vector<Schedule::Id> WaitingFor(const std::string& key) const;

  // models_watch.cc: the two threads.
  void Watch();
  void WatchOnce();
  void Work();
  void Later(std::function<void()> task);         // under the lock
  bool InBackground(std::function<void()> task);  // under the lock; false: there is no thread
  void JoinBackground();

  // models_view.cc
  Loaded Describe(const Instance& instance, int64_t now_ns) const;

  // models_load.cc
  void StartLoad(const std::string& key);
  void Load(const std::shared_ptr<Instance>& instance);
  Status LoadWithRecovery(Lock& lock, const std::shared_ptr<Instance>& instance);
  Status LoadOnce(Lock& lock, const std::shared_ptr<Instance>& instance);
  bool MakeRoom(Lock& lock, const Instance& instance, const std::string& room);
  std::optional<Error> NeverFits(const Instance& instance) const;
  Status NoRoomNow(const Instance& instance, const std::string& room, Error error) const;
  void Hold(Lock& lock, CardSlot& card);
  void LetGo(CardSlot& card);
  bool Answering(const CardSlot& card, const Instance* but) const;
  CardSlot& CardFor(const std::string& device);  // under the lock
  std::string DefaultDevice() const;

  // models_recovery.cc: ends and what follows them.
  void Ending(Instance& instance);                                        // under the lock
  void Remove(const std::shared_ptr<Instance>& instance);                 // under the lock
  void BeginEnd(const std::shared_ptr<Instance>& instance, bool reload);  // under the lock
  void FinishEnd(const std::shared_ptr<Instance>& instance, bool reload);
  CardAction EndHeld(Lock& lock, const std::shared_ptr<Instance>& instance);
  Status Apply(Lock& lock, CardSlot& card, CardAction action, std::string_view why);
  Status RebootHeld(Lock& lock, CardSlot& card, std::string_view why);
  void Reload(const bundle::ModelRef& model, int64_t keep_alive_ns);
  void OnRunnerExit(uint64_t id);

  const ModelsOptions options_;
  store::Store store_;
  RuntimeFolder* const runtime_;

  std::mutex mutex_;
  std::condition_variable changed_;       // who wants to hold a card waits here
  std::condition_variable work_changed_;  // the two threads wait here
  std::atomic<bool> stopping_{false};
  bool quit_ = false;
  uint64_t next_id_ = 1;
  std::map<std::string, std::shared_ptr<Instance>> instances_;  // by folder
  std::map<std::string, std::unique_ptr<CardSlot>> cards_;      // by device
  Schedule schedule_;
  std::map<Schedule::Id, Ticket*> tickets_;
  std::set<std::string> pinned_;  // keys
  std::map<std::string, Holders> holders_;
  int64_t mean_hold_ns_ = 0;  // of requests that had a sequence, recent ones count more
  std::list<std::weak_ptr<CallSlot>> calls_;
  std::deque<std::function<void()>> tasks_;
  std::list<Background> background_;
  std::set<std::string> rebooted_for_;  // keys; a reboot did not make their load succeed
  std::set<std::string> answered_;      // keys; of models that are known to be good
  std::optional<bundle::ModelRef> chosen_;
  std::string last_used_;  // key
  std::string last_device_;
  std::thread watcher_, worker_;
};

}  // namespace axollama::server
