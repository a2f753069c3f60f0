#include "server/card_policy.h"

#include <algorithm>
#include <string>

namespace axollama::server {

Result<RebootPolicy> ParseRebootPolicy(std::string_view text) {
  if (text.empty() || text == "auto") return RebootPolicy::kAuto;
  if (text == "always") return RebootPolicy::kAlways;
  if (text == "never") return RebootPolicy::kNever;
  return Fail(ErrorKind::kInvalid,
              "\"" + std::string(text) + "\" is none of auto, always and never");
}

CardAction Decide(const CardFacts& facts) {
  // Its pages and its place in the driver's queues are still in use: a reboot under it would be
  // worse than leaving the card alone.
  if (facts.unkillable) return CardAction::kQuarantine;
  if (!facts.leaked && !facts.broken) return CardAction::kNothing;
  if (facts.reboot_did_not_help || facts.policy == RebootPolicy::kNever) {
    return CardAction::kQuarantine;
  }
  if (facts.others_memory && facts.policy != RebootPolicy::kAlways) {
    return CardAction::kTolerate;
  }
  return facts.others_answering ? CardAction::kRebootLater : CardAction::kReboot;
}

int64_t CardLedger::Sum() const {
  int64_t sum = 0;
  for (const auto& [runner, entry] : entries_) sum += entry.own_bytes;
  return sum;
}

void CardLedger::NoteOthers(uint64_t in_use_bytes) {
  others_bytes_ = std::max<int64_t>(0, static_cast<int64_t>(in_use_bytes) - Sum());
}

void CardLedger::BeginLoad(uint64_t runner, uint64_t in_use_bytes) {
  NoteOthers(in_use_bytes);
  entries_[runner] = {static_cast<int64_t>(in_use_bytes), 0};
}

void CardLedger::Loaded(uint64_t runner, uint64_t in_use_bytes) {
  Entry& entry = entries_[runner];
  entry.own_bytes = std::max<int64_t>(0, static_cast<int64_t>(in_use_bytes) - entry.before_bytes);
}

std::optional<uint64_t> CardLedger::End(uint64_t runner) {
  if (entries_.erase(runner) == 0) return std::nullopt;
  return static_cast<uint64_t>(others_bytes_ + Sum());
}

}  // namespace axollama::server
