// The faults of one card and the state they leave it in, shared by the processes that use it.
//
// One file per card in the state folder, mapped shared: `card-ID.v1.faults`. Faults of the
// configuration count for the processes that have them in theirs, those given at run time for all;
// both take effect at the next call. Each change is one store after its data is complete, so the
// page is right whenever a process is killed. Changes, and reading a fault's text, are made under
// flock of the file.
// Owner: the process, one object per card. Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/faults/fault.h"

namespace axsim::faults {

class Board {
 public:
  // With the faults of this process's configuration.
  static axollama::Result<std::unique_ptr<Board>> Open(const std::filesystem::path& state_folder,
                                                       int32_t card_id,
                                                       std::vector<Fault> configured);
  ~Board();

  // A fault that is given at run time. An error when there are too many.
  axollama::Status Add(const Fault& fault);
  // Forgets the faults given at run time and arms the configured ones anew; heals everything, and
  // gives the card its first id.
  void Reset();

  // A call that this kind of fault counts: the fault, if one fires. One relaxed load or two when
  // there is none.
  struct Firing {
    Fault fault;
    uint64_t number = 0;  // how often this fault has fired, this time included
  };
  std::optional<Firing> Fire(Kind kind) {
    return Armed(kind) ? FireSlow(kind, true) : std::nullopt;
  }
  // The same where nothing is counted: only faults fire whose triggers look at no call's number.
  std::optional<Firing> FireUncounted(Kind kind) {
    return Armed(kind) ? FireSlow(kind, false) : std::nullopt;
  }
  // Whether there is a fault of this kind at all.
  bool Armed(Kind kind) {
    if (Generation() != seen_generation_.load(std::memory_order_relaxed)) Refresh();
    return (kinds_.load(std::memory_order_relaxed) >> static_cast<unsigned>(kind) & 1) != 0;
  }
  // Changes whenever faults were given or a reset was made.
  uint64_t Generation() const;

  // What faults leave behind. Times are milliseconds from now; nothing: until it is healed.
  void Disconnect(std::optional<uint64_t> for_ms);
  bool IsGone() const;
  void LoseHeartbeat(std::optional<uint64_t> for_ms);
  bool IsDeaf() const;
  void NeedReboot();
  bool NeedsReboot() const;
  // What a reboot makes good: all of the above.
  void Heal();
  // The card's id at present.
  int32_t visible_id() const;
  void SetVisibleId(int32_t id);

  struct Entry {
    Fault fault;
    bool configured = false;
    uint64_t calls = 0;  // that it counted
    uint64_t fired = 0;
  };
  std::vector<Entry> List();

 private:
  struct Page;
  struct Slot;
  class FileLock;
  struct Armament {
    Fault fault;
    Slot* slot = nullptr;
  };

  Board(int fd, Page* page, int32_t card_id, std::vector<Fault> configured);
  void Refresh();
  Slot* FindSlot();  // nullptr: none is free
  axollama::Status AddLocked(const Fault& fault, uint64_t origin);
  std::optional<Firing> FireSlow(Kind kind, bool counts);

  const int fd_;
  Page* const page_;
  const int32_t card_id_;
  struct Configured {
    Fault fault;
    uint64_t origin = 0;  // tells it from its equals and from those of other configurations
  };
  std::vector<Configured> configured_;
  std::mutex mutex_;  // guards `armed_`, and the file lock does not tell threads apart
  std::vector<Armament> armed_;
  std::atomic<uint64_t> seen_generation_{0};
  std::atomic<uint32_t> kinds_{0};  // a bit for each Kind of `armed_`
};

}  // namespace axsim::faults
