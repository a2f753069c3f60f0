// One card as the supervisor sees it: its keeper, its memory, and the upper half of the recovery
// ladder (design 2): is the memory back? -> reboot -> enumerate again.
//
// Owner: Models. Threads: Properties, state, reason, counters from any; the others from one thread
// at a time (Models holds the card for them).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "server/card_policy.h"
#include "server/runtime_folder.h"
#include "server/warden_client.h"

namespace axollama::server {

enum class CardState { kOk, kRecovering, kQuarantined };

// How a runner ended: in order it gave its memory back itself.
enum class RunnerEnd { kInOrder, kBroken, kUnkillable };

// How often each step of the ladder was taken.
struct CardCounters {
  std::atomic<uint64_t> cancels{0}, terms{0}, kills{0}, deaths{0}, leaks{0}, reboots{0},
      failed_reboots{0}, quarantines{0};
};

class Card {
 public:
  struct Options {
    std::string program = "/proc/self/exe";
    std::string device;                // as --device of the warden; "": its own choice
    std::optional<int64_t> device_id;  // absent: the first card
    RebootPolicy policy = RebootPolicy::kAuto;
    RuntimeFolder* runtime = nullptr;  // borrowed; notes for the next server. May be absent
    std::chrono::milliseconds memory_limit{2'000};      // for memory to come back after an end
    std::chrono::milliseconds enumerate_limit{60'000};  // for the card to come back after a reboot
  };
  explicit Card(Options options);

  const std::string& device() const { return options_.device; }
  // At most 5 s old, and read again after every end of a runner.
  Result<CardProperties> Properties();
  std::optional<CardProperties> LastProperties() const { return warden_.LastProperties(); }

  // Its id at present, once it was asked. Ids change when a card is rebooted.
  std::optional<int64_t> card_id() const;

  // Before the first load: who else uses it, and whether a server that died left memory on it
  // (then: kReboot, or what else the policy says).
  Result<CardAction> Greet();
  // Around a load. Begin fails when the card does not answer: its error is the load's.
  Status BeginLoad(uint64_t runner);
  void EndLoad(uint64_t runner);

  // What is in use beside our models, as of the last look at the card: the holder's thread.
  uint64_t OthersBytes() const;

  // After a runner's process is gone (or could not be killed): what has to be done.
  CardAction AfterEnd(uint64_t runner, RunnerEnd how, bool others_answering);
  // The device keeps failing although the runner is new.
  CardAction Broken(bool others_answering);
  // Every runner of ours must have ended. Quarantines the card when it does not come back.
  Status Reboot(std::string_view why);

  // It was rebooted, and fails as before.
  void RebootDidNotHelp(const Error& error);
  void Quarantine(std::string reason);
  void Release();  // out of quarantine: someone asked for a reset
  CardState state() const;
  std::string reason() const;  // of the quarantine
  CardCounters& counters() { return counters_; }
  void End() { warden_.End(); }

 private:
  Result<uint64_t> InUse();  // read anew
  CardAction Act(const CardFacts& facts);
  void Note();
  bool OthersUseIt() const;
  Status FindAgain();
  void SetState(CardState state, std::string reason);

  Options options_;
  WardenClient warden_;
  CardCounters counters_;
  CardLedger ledger_;
  std::string uid_;                       // of the card we work with, once known
  std::optional<uint64_t> first_in_use_;  // when the warden started
  bool reboot_did_not_help_ = false;

  mutable std::mutex mutex_;
  CardState state_ = CardState::kOk;
  std::string reason_;
};

}  // namespace axollama::server
