// The inner state of Models, shared by its source files. Everything is under Models::mutex_,
// except what says otherwise.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "server/models.h"

namespace axollama::server {

// How long a runner may take to end by itself.
inline constexpr std::chrono::milliseconds kTermGrace{5'000};
inline constexpr std::string_view kLostMemory =
    "the memory of a runner that ended did not come back";

RunnerEnd HowEnded(const RunnerProcess& process, RunnerProcess::Ending ending);

struct Models::Instance {
  enum class State { kLoading, kReady, kEnding };

  uint64_t id = 0;
  bundle::ModelRef model;
  State state = State::kLoading;
  std::shared_ptr<const bundle::Bundle> bundle;  // constant once ready
  std::shared_ptr<RunnerProcess> process;        // constant once ready
  CardSlot* card = nullptr;
  std::string room;  // its device: what its card is called in Schedule
  KeepAlive keep_alive{0};
  std::shared_ptr<CallSlot> busy;  // of the request that has the sequence
  bool pinned = false;
  bool needs_place = false;   // max_loaded_models stands in its way, not memory
  uint64_t needed_bytes = 0;  // of the card's memory, as the runner says; 0: it has not said
  bool recovering = false;    // ending, to be loaded again
  bool cancelled = false;     // the stuck call was cancelled: the next step is TERM
  int64_t cancelled_ns = 0;

  std::string key() const { return model.folder.string(); }
};

// A card, and who works on it: a load, an end with its check of memory, or a reboot. One at a time.
struct Models::CardSlot {
  explicit CardSlot(Card::Options options) : card(std::move(options)) {}
  Card card;
  bool held = false;
  bool loading = false;     // a load has the card to itself
  bool recovering = false;  // it is being rebooted
  int64_t load_ended_ns = 0;
  bool reboot_due = false;        // when the last stream ends or the next load does not fit
  uint32_t device_failures = 0;   // in a row, without a success between them
  std::deque<int64_t> deaths_ns;  // recent ones
};

// A request in the queue, on the stack of its thread.
struct Models::Ticket {
  Request* request = nullptr;
  std::condition_variable changed;
  std::shared_ptr<Instance> instance;  // it was given this
  std::optional<Error> error;          // it was refused
  int loads = 0;                       // that were begun while it waited
};

}  // namespace axollama::server
