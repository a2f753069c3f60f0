// The models of this server: which are loaded, who may use them, and what happens when one breaks.
//
// A request asks for a model and waits until it is loaded and its one sequence is free: in order of
// arrival, at most max_queue of them. Models are loaded on demand, unloaded after keep_alive,
// evicted while idle when the next one does not fit, and brought back by the ladder of design 2
// when their process dies, gets stuck or leaves memory on the card.
//
// Owner: ServeMain; outlives every handler. Threads: any. Two threads of its own: one watches
// (keep_alive, stuck runners), one does what takes time (ends, recovery).
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

namespace axollama::server {

struct ModelsOptions {
  std::string program = "/proc/self/exe";
  std::vector<std::filesystem::path> roots;
  std::string device;                // "": by bundle
  std::optional<int64_t> device_id;  // absent: the first card
  int64_t keep_alive_ns = 300'000'000'000;
  size_t max_queue = 512;
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
          int64_t waited_ns);
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
    Models* models_;
    std::shared_ptr<Instance> instance_;
    std::shared_ptr<CallSlot> slot_;
    int64_t waited_ns_;
  };

  struct Request {
    bundle::ModelRef model;
    std::optional<int64_t> keep_alive_ns;
    bool load_only = false;          // needs the model, not its sequence
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

  // kBusy: the queue is full. kCancelled: the slot has a reason. Otherwise the load's error.
  Result<Grant> Acquire(Request request);
  // Waiting requests look at their slots again.
  void Wake();
  // When its present request, if any, has ended; nothing when it is not loaded. Does not wait.
  void Unload(const bundle::ModelRef& model);

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
  struct BackgroundLoad {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> done;
  };
  using Lock = std::unique_lock<std::mutex>;

  // models.cc: the queue.
  bool First(const Ticket& ticket) const;
  bool HeldBack(const Ticket& ticket) const;
  void Release(const std::shared_ptr<Instance>& instance, const std::shared_ptr<CallSlot>& slot,
               bool load_only);
  void Watch();
  void WatchOnce(Lock& lock);
  void Work();
  void Later(std::function<void()> task);  // under the lock
  std::shared_ptr<Instance> Find(const std::string& key) const;
  Loaded Describe(const Instance& instance, int64_t now_ns) const;

  // models_lifecycle.cc: loads, ends, recovery.
  Status Load(Lock& lock, const bundle::ModelRef& model);
  Status LoadWithRecovery(Lock& lock, const std::shared_ptr<Instance>& instance);
  Status LoadOnce(Lock& lock, const std::shared_ptr<Instance>& instance);
  bool MakeRoom(Lock& lock, CardSlot& card);
  void Hold(Lock& lock, CardSlot& card);
  void LetGo(CardSlot& card);
  bool Answering(const CardSlot& card, const Instance* but) const;
  void BeginEnd(const std::shared_ptr<Instance>& instance, bool reload);  // under the lock
  void FinishEnd(const std::shared_ptr<Instance>& instance, bool reload);
  CardAction EndHeld(Lock& lock, const std::shared_ptr<Instance>& instance);
  Status Apply(Lock& lock, CardSlot& card, CardAction action, std::string_view why);
  Status RebootHeld(Lock& lock, CardSlot& card, std::string_view why);
  void Reload(const bundle::ModelRef& model, int64_t keep_alive_ns);
  void JoinReloads();
  void OnRunnerExit(uint64_t id);
  CardSlot& CardFor(const std::string& device);  // under the lock
  std::string DefaultDevice() const;

  const ModelsOptions options_;
  RuntimeFolder* const runtime_;

  std::mutex mutex_;
  std::condition_variable changed_;       // requests wait here
  std::condition_variable work_changed_;  // the two threads wait here
  std::atomic<bool> stopping_{false};
  bool quit_ = false;
  uint64_t next_id_ = 1;
  std::map<std::string, std::shared_ptr<Instance>> instances_;  // by folder
  std::map<std::string, std::unique_ptr<CardSlot>> cards_;      // by device
  std::list<Ticket*> queue_;                                    // in order of arrival
  std::list<std::weak_ptr<CallSlot>> calls_;
  std::deque<std::function<void()>> tasks_;
  std::list<BackgroundLoad> reloads_;
  std::set<std::string> rebooted_for_;  // keys; a reboot did not make their load succeed
  std::set<std::string> answered_;      // keys; of models that are known to be good
  std::optional<bundle::ModelRef> chosen_;
  std::string last_used_;  // key
  std::string last_device_;
  std::thread watcher_, worker_;
};

}  // namespace axollama::server
