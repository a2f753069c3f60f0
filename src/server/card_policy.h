// What to do with a card, decided from facts: pure functions without a clock or a process.
//
// Design 2, the upper half of the recovery ladder: memory that a dead runner left behind, and a
// device that answers with errors.
// Owner and threads: plain values and functions; CardLedger by one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace axollama::server {

inline constexpr uint64_t kLeakMarginBytes = 16u << 20;
// More than this in use before any runner of ours was there means that another program uses the
// card; what is below is the card's own housekeeping.
inline constexpr uint64_t kForeignBytes = 64u << 20;

enum class RebootPolicy { kAuto, kAlways, kNever };
// The setting reboot: auto, always or never; nothing means auto.
Result<RebootPolicy> ParseRebootPolicy(std::string_view text);

enum class CardAction {
  kNothing,
  kTolerate,     // it stays as it is: a reboot would take the card from another program
  kReboot,       // now
  kRebootLater,  // when the last stream ends or the next load does not fit
  kQuarantine,   // nothing more is started on this card
};

struct CardFacts {
  bool leaked = false;      // more than the margin above the baseline 2 s after the end
  bool broken = false;      // the device fails, and a new runner did not cure it
  bool unkillable = false;  // a process outlived SIGKILL
  bool others_answering = false;
  bool others_memory = false;  // another program has models on the card
  bool reboot_did_not_help = false;
  RebootPolicy policy = RebootPolicy::kAuto;
};
CardAction Decide(const CardFacts& facts);

// Whose memory is whose. What nobody of ours has is of other programs: their share is read anew at
// every load and at every end in order, when nothing of ours can have been lost.
class CardLedger {
 public:
  void BeginLoad(uint64_t runner, uint64_t in_use_bytes);
  void Loaded(uint64_t runner, uint64_t in_use_bytes);
  // What should be in use now that `runner` has ended. Nothing for one that never began.
  std::optional<uint64_t> End(uint64_t runner);
  void NoteOthers(uint64_t in_use_bytes);
  void Clear() { entries_.clear(); }  // the card was rebooted
  uint64_t OursBytes() const { return static_cast<uint64_t>(Sum()); }

 private:
  struct Entry {
    int64_t before_bytes = 0;
    int64_t own_bytes = 0;
  };
  int64_t Sum() const;
  std::map<uint64_t, Entry> entries_;
  int64_t others_bytes_ = 0;
};

inline bool Leaked(uint64_t in_use_bytes, uint64_t expected_bytes) {
  return in_use_bytes > expected_bytes + kLeakMarginBytes;
}

// Whether `in_use_bytes` are what a server that died had on the card, with its models: exactly
// that, since anything else may be another program's.
inline bool IsWhatWasLeft(uint64_t in_use_bytes, uint64_t before_bytes, uint64_t ours_bytes) {
  const uint64_t left_bytes = before_bytes + ours_bytes;
  return ours_bytes > kLeakMarginBytes && in_use_bytes + kLeakMarginBytes >= left_bytes &&
         in_use_bytes <= left_bytes + kLeakMarginBytes;
}

}  // namespace axollama::server
