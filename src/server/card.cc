#include "server/card.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPropertiesAge{5'000};

WardenClient::Options WardenOptions(const Card::Options& options) {
  WardenClient::Options out;
  out.program = options.program;
  out.device = options.device;
  out.device_id = options.device_id;
  return out;
}

uint64_t Mib(uint64_t bytes) { return bytes >> 20; }

}  // namespace

Card::Card(Options options) : options_(std::move(options)), warden_(WardenOptions(options_)) {}

Result<CardProperties> Card::Properties() { return warden_.Properties(kPropertiesAge); }

std::optional<int64_t> Card::card_id() const {
  const auto properties = warden_.LastProperties();
  return properties ? std::optional(properties->id) : options_.device_id;
}

Result<uint64_t> Card::InUse() {
  AX_ASSIGN_OR_RETURN(const CardProperties properties, warden_.Properties(milliseconds(0)));
  // A device that cannot tell its memory cannot be watched for leaks.
  return properties.cmm_used_bytes().value_or(0);
}

Result<CardAction> Card::Greet() {
  if (first_in_use_) return CardAction::kNothing;
  AX_ASSIGN_OR_RETURN(const CardProperties properties, warden_.Properties(milliseconds(0)));
  const uint64_t in_use = properties.cmm_used_bytes().value_or(0);
  first_in_use_ = in_use;
  uid_ = properties.uid;
  log::Info("card", "{} card {} (uid {}), firmware {}, {} MiB of {} MiB in use", properties.backend,
            properties.id, properties.uid, properties.firmware, Mib(in_use),
            Mib(properties.cmm_total_bytes.value_or(0)));
  if (options_.runtime == nullptr) return CardAction::kNothing;
  const auto left = options_.runtime->LeftBehind(uid_);
  if (!left || !IsWhatWasLeft(in_use, left->before_bytes, left->ours_bytes)) {
    return CardAction::kNothing;
  }
  ++counters_.leaks;
  log::Warn("card", "a server that died left {} MiB on the card", Mib(left->ours_bytes));
  first_in_use_ = left->before_bytes;
  CardFacts facts;
  facts.leaked = true;
  return Act(facts);
}

Status Card::BeginLoad(uint64_t runner) {
  AX_ASSIGN_OR_RETURN(const uint64_t in_use, InUse());
  ledger_.BeginLoad(runner, in_use);
  return {};
}

void Card::EndLoad(uint64_t runner) {
  if (const auto in_use = InUse()) {
    ledger_.Loaded(runner, *in_use);
    Note();
  } else {
    log::Warn("card", "memory in use after the load is unknown: {}", in_use.error().message);
  }
}

uint64_t Card::OthersBytes() const {
  const auto properties = LastProperties();
  const uint64_t in_use = properties ? properties->cmm_used_bytes().value_or(0) : 0;
  return in_use - std::min(in_use, ledger_.OursBytes());
}

void Card::Note() {
  if (options_.runtime == nullptr || !first_in_use_) return;
  options_.runtime->NoteCard(uid_, {*first_in_use_, ledger_.OursBytes()});
}

CardAction Card::AfterEnd(uint64_t runner, RunnerEnd how, bool others_answering) {
  warden_.ForgetProperties();
  CardFacts facts;
  facts.unkillable = how == RunnerEnd::kUnkillable;
  facts.others_answering = others_answering;
  if (facts.unkillable) {
    ledger_.End(runner);
    return Act(facts);
  }
  const std::optional<uint64_t> expected = ledger_.End(runner);
  if (!expected) return CardAction::kNothing;  // it never touched the card
  const int64_t deadline_ns =
      MonotonicNs() + std::chrono::nanoseconds(options_.memory_limit).count();
  Result<uint64_t> in_use = InUse();
  while (in_use && Leaked(*in_use, *expected) && MonotonicNs() < deadline_ns) {
    std::this_thread::sleep_for(milliseconds(50));
    in_use = InUse();
  }
  if (!in_use) {
    log::Warn("card", "memory in use is unknown: {}", in_use.error().message);
    // No card to ask is for the next load to report; a card that fails to answer is broken.
    facts.broken = in_use.error().kind != ErrorKind::kUnavailable;
  } else if (!Leaked(*in_use, *expected)) {
    log::Debug("card", "memory is back: {} MiB in use, {} MiB expected", Mib(*in_use),
               Mib(*expected));
    Note();
  } else if (how == RunnerEnd::kInOrder) {
    log::Info("card", "{} MiB are in use, {} MiB were expected: another program's", Mib(*in_use),
              Mib(*expected));
    ledger_.NoteOthers(*in_use);
    Note();
  } else {
    ++counters_.leaks;
    log::Warn("card", "{} MiB are in use, {} MiB were expected: the runner's memory is lost",
              Mib(*in_use), Mib(*expected));
    facts.leaked = true;
  }
  return Act(facts);
}

CardAction Card::Broken(bool others_answering) {
  CardFacts facts;
  facts.broken = true;
  facts.others_answering = others_answering;
  // A program that is not one of our servers leaves no note, but its memory shows.
  const auto in_use = InUse();
  facts.others_memory = in_use && *in_use > ledger_.OursBytes() + kForeignBytes;
  return Act(facts);
}

bool Card::OthersUseIt() const {
  if (first_in_use_.value_or(0) > kForeignBytes) return true;
  // Asked when no process of ours loads.
  return options_.runtime != nullptr &&
         (options_.runtime->OthersOn(uid_) > 0 || options_.runtime->LoadUnderWay(uid_));
}

CardAction Card::Act(const CardFacts& given) {
  CardFacts facts = given;
  facts.policy = options_.policy;
  facts.others_memory |= OthersUseIt();
  facts.reboot_did_not_help = reboot_did_not_help_;
  const CardAction action = Decide(facts);
  if (action == CardAction::kTolerate) {
    log::Warn("card",
              "not rebooting: another program uses the card (AXOLLAMA_REBOOT=always would)");
  } else if (action == CardAction::kQuarantine) {
    const char* what = facts.unkillable ? "a process on the card could not be killed"
                       : facts.leaked   ? "memory of a dead runner is lost"
                                        : "the card keeps failing";
    const char* why = facts.unkillable            ? "restart this machine"
                      : facts.reboot_did_not_help ? "a reboot of the card did not help: power it "
                                                    "off and on"
                                                  : "AXOLLAMA_REBOOT=never forbids a reboot of "
                                                    "the card";
    Quarantine(fmt::format("{}; {}", what, why));
  }
  return action;
}

Status Card::Reboot(std::string_view why) {
  SetState(CardState::kRecovering, "");
  ++counters_.reboots;
  log::Warn("card", "rebooting the card: {}", why);
  const uint64_t floor = first_in_use_.value_or(kForeignBytes);
  Status done = warden_.Reboot();
  if (done) done = FindAgain();
  if (done) {
    ledger_.Clear();
    const Result<uint64_t> in_use = InUse();
    if (!in_use) {
      done = Fail(in_use.error());
    } else if (Leaked(*in_use, floor)) {
      done = Fail(ErrorKind::kDevice,
                  fmt::format("{} MiB are still in use after the reboot", Mib(*in_use)));
    } else {
      first_in_use_ = *in_use;
      Note();
    }
  }
  if (!done) {
    RebootDidNotHelp(done.error());
    return done;
  }
  log::Info("card", "the card is back");
  SetState(CardState::kOk, "");
  return {};
}

Status Card::FindAgain() {
  const int64_t deadline_ns =
      MonotonicNs() + std::chrono::nanoseconds(options_.enumerate_limit).count();
  Error last;
  for (;;) {
    const auto properties = warden_.Properties(milliseconds(0));
    if (properties && (uid_.empty() || properties->uid == uid_)) return {};
    if (properties) {
      // Ids may have been dealt anew: ask each card who it is.
      for (const int64_t id : properties->cards) {
        warden_.UseCard(id);
        const auto other = warden_.Properties(milliseconds(0));
        if (other && other->uid == uid_) {
          log::Info("card", "the card with uid {} has id {} now", uid_, id);
          return {};
        }
      }
      last = {ErrorKind::kDevice, "no card with uid " + uid_ + " is left"};
    } else {
      last = properties.error();
      warden_.UseCard(options_.device_id);
    }
    if (MonotonicNs() >= deadline_ns) return Fail(last);
    std::this_thread::sleep_for(milliseconds(200));
  }
}

void Card::RebootDidNotHelp(const Error& error) {
  ++counters_.failed_reboots;
  reboot_did_not_help_ = true;
  Quarantine(
      fmt::format("rebooting the card did not help ({}); power it off and on", error.message));
}

void Card::Quarantine(std::string reason) {
  ++counters_.quarantines;
  log::Error("card", "the card is quarantined: {}", reason);
  SetState(CardState::kQuarantined, std::move(reason));
}

void Card::Release() {
  reboot_did_not_help_ = false;
  SetState(CardState::kOk, "");
}

void Card::SetState(CardState state, std::string reason) {
  std::lock_guard lock(mutex_);
  state_ = state;
  reason_ = std::move(reason);
}

CardState Card::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

std::string Card::reason() const {
  std::lock_guard lock(mutex_);
  return reason_;
}

}  // namespace axollama::server
