// The card-wide lease between processes (design 2): while one process loads a model, no other
// executes; a load waits until running executes have drained.
//
// Two files in the runtime folder, named after the card's uid, locked with flock, so that a
// process that dies lets go: `card-UID.lease` is held exclusively for the whole of a load;
// `card-UID.gate` is held shared around a burst of executes and exclusively during the load.
// Threads: one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/result.h"

namespace axollama::device {

class CardGate {
 public:
  // Makes the runtime folder (mode 0700) and the files if they are not there.
  static Result<std::unique_ptr<CardGate>> Open(const std::filesystem::path& runtime_dir,
                                                uint64_t card_uid);
  virtual ~CardGate() = default;  // lets go of whatever is held

  // Waits for the lease, then for executes of others to drain. kTimeout after `limit`, kCancelled
  // when `stop` says so (asked every 20 ms). Must not be called between Enter and Leave.
  virtual Status AcquireLoad(std::chrono::milliseconds limit,
                             const std::function<bool()>& stop) = 0;
  virtual void ReleaseLoad() = 0;

  // Enter: before a burst of executes; waits while a load is under way. Leave: after it.
  // Yield: between tokens; lets a waiting load in and comes back afterwards. One system call when
  // nobody waits; nothing when not inside.
  virtual Status Enter(const std::function<bool()>& stop) = 0;
  virtual void Leave() = 0;
  virtual Status Yield(const std::function<bool()>& stop) = 0;
};

}  // namespace axollama::device
