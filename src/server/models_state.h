// The inner state of Models, shared by its two source files. Everything is under Models::mutex_,
// except what says otherwise.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "server/models.h"

namespace axollama::server {

struct Models::Instance {
  enum class State { kLoading, kReady, kEnding };

  uint64_t id = 0;
  bundle::ModelRef model;
  State state = State::kLoading;
  std::shared_ptr<const bundle::Bundle> bundle;  // constant once ready
  std::shared_ptr<RunnerProcess> process;        // constant once ready
  CardSlot* card = nullptr;
  KeepAlive keep_alive{0};
  std::shared_ptr<CallSlot> busy;  // of the request that has the sequence
  int64_t last_used_ns = 0;
  bool recovering = false;  // ending, to be loaded again
  bool cancelled = false;   // the stuck call was cancelled: the next step is TERM
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

// A request in the queue.
struct Models::Ticket {
  std::string key;
  Request* request = nullptr;
  bool waits_for_room = false;  // nobody behind it may start on its card meanwhile
  std::optional<Error> error;   // the load it waited for failed
};

}  // namespace axollama::server
