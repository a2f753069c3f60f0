// One fault of a simulated card: what goes wrong, and at which calls.
//
// As JSON, in a card's configuration and in `axollama sim fault`:
//   {"kind":"execute_error","nth":5,"code":"0x8030070C"}
// Triggers, all of which must hold; without any, the next call that the kind counts:
//   "nth": N           from the N-th call on          "every": N   each N-th call
//   "after_ms": T      not before T ms have passed since the card was given the fault
//   "probability": P, "seed": S    P of the calls, the same ones for the same seed
// "count" is how often it happens, 0 without limit; the default is 1, but 0 for the kinds that are
// ways of the card (IsLasting) and for "every" and "probability".
// Calls are counted per card, over all processes. Threads: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace axsim::faults {

enum class Kind : uint8_t {
  kExecuteError,      // an execute fails with "code" (0x8030070C)
  kSilentAsync,       // a queued execute does nothing, and says nothing
  kHang,              // an execute does not return; with "for_ms" it fails then, with 0x8030070C
  kSlow,              // an execute takes "factor" times as long
  kDisconnect,        // the card is gone, for "for_ms" or until a reboot or reset
  kHeartbeatLoss,     // the card is listed but does not answer, for as long
  kOutOfMemory,       // an allocation finds no room
  kCorruptRead,       // a copy to the host brings wrong bytes, the same ones for the same "seed"
  kAsyncUnsupported,  // ExecuteAsync answers 4
  kReorderIds,        // a reboot gives the card another id
  kLoadWedges,        // a load beside an execute, or one whose process died, needs a reboot
  kNeedsReset,        // an execute fails, and the rest too until the process resets the device
  kNeedsReboot,       // an execute fails, and every process's until the card is rebooted
  kRebootFails,       // a reboot heals nothing; with "code" it is not even done
};
inline constexpr size_t kKinds = 14;
inline constexpr size_t kMostFaults = 64;  // of one card at a time

std::string_view KindName(Kind kind);
std::string KindNames();  // all, for a message
// Ways of the card rather than events: they happen without limit unless "count" says otherwise.
bool IsLasting(Kind kind);

struct Fault {
  Kind kind = Kind::kExecuteError;
  uint64_t nth = 0;    // 0: not a trigger
  uint64_t every = 0;  // the same
  uint64_t after_ms = 0;
  std::optional<double> probability;
  uint64_t seed = 0;
  uint64_t count = 1;  // 0: without limit
  std::optional<uint64_t> for_ms;
  double factor = 2;            // of kSlow
  std::optional<int32_t> code;  // of kExecuteError and kRebootFails
};

// Strict: unknown keys, keys of other kinds, wrong types and values out of range are errors.
axollama::Result<Fault> ParseFault(const axollama::json::Object& object);
// A return code of the vendor's, as "0x8030070C"; `key` is what the error names.
axollama::Result<int32_t> ParseCode(std::string_view key, std::string_view text);
// What ParseFault reads as the same fault, and equal faults as equal text.
axollama::json::Object ToJson(const Fault& fault);
// For people: "execute_error at the 5th call".
std::string Describe(const Fault& fault);

// Whether it fires at the `call`-th call (from 1), `elapsed_ms` after it was given to the card. Its
// count is the caller's.
bool Matches(const Fault& fault, uint64_t call, uint64_t elapsed_ms);

// A number that looks random, from two that need not.
uint64_t Mix(uint64_t a, uint64_t b);

}  // namespace axsim::faults
