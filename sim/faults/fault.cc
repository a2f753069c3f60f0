#include "sim/faults/fault.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <vector>

namespace axsim::faults {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;
namespace json = axollama::json;

// Of numbers in JSON: what a double holds exactly.
constexpr int64_t kMost = int64_t{1} << 53;
// A day: longer is for ever.
constexpr int64_t kMostMs = 86'400'000;
constexpr double kMostFactor = 1000;

struct Row {
  std::string_view name;
  bool lasting = false;
  std::string_view own_keys[2] = {};  // besides the triggers
};

constexpr std::array<Row, kKinds> kRows = {{
    {"execute_error", false, {"code"}},
    {"silent_async"},
    {"hang", false, {"for_ms"}},
    {"slow", true, {"factor"}},
    {"disconnect", false, {"for_ms"}},
    {"heartbeat_loss", false, {"for_ms"}},
    {"out_of_memory"},
    {"corrupt_read"},
    {"async_unsupported", true},
    {"reorder_ids", true},
    {"load_wedges", true},
    {"needs_reset"},
    {"needs_reboot"},
    {"reboot_fails", true, {"code"}},
}};
constexpr std::string_view kTriggerKeys[] = {"kind",        "nth",  "every", "after_ms",
                                             "probability", "seed", "count"};

const Row& RowOf(Kind kind) { return kRows[static_cast<size_t>(kind)]; }

bool Has(const Row& row, std::string_view key) {
  return std::find(std::begin(row.own_keys), std::end(row.own_keys), key) != std::end(row.own_keys);
}

Result<uint64_t> GetCount(const json::Object& object, std::string_view key, uint64_t otherwise,
                          int64_t least, int64_t most) {
  AX_ASSIGN_OR_RETURN(const int64_t value,
                      json::GetInt(object, key, static_cast<int64_t>(otherwise)));
  if (json::Find(object, key) != nullptr && (value < least || value > most)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("\"{}\" is {}, but must be from {} to {}", key, value, least, most));
  }
  return static_cast<uint64_t>(value);
}

Result<Kind> ParseKind(const json::Object& object) {
  AX_ASSIGN_OR_RETURN(const std::string name, json::GetString(object, "kind", ""));
  for (size_t i = 0; i < kKinds; ++i) {
    if (kRows[i].name == name) return static_cast<Kind>(i);
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("\"kind\" is \"{}\", but must be one of {}", name, KindNames()));
}

Status CheckKeys(const json::Object& object, const Row& row) {
  for (const auto& entry : object) {
    const std::string_view key(entry.key().data(), entry.key().size());
    const bool trigger =
        std::find(std::begin(kTriggerKeys), std::end(kTriggerKeys), key) != std::end(kTriggerKeys);
    if (trigger || (!key.empty() && Has(row, key))) continue;
    std::vector<std::string_view> known(std::begin(kTriggerKeys), std::end(kTriggerKeys));
    for (const std::string_view own : row.own_keys) {
      if (!own.empty()) known.push_back(own);
    }
    return Fail(ErrorKind::kInvalid, fmt::format("unknown key \"{}\" of a fault {}; known are {}",
                                                 key, row.name, fmt::join(known, ", ")));
  }
  return {};
}

std::string_view Ending(uint64_t number) {
  if (number % 100 >= 11 && number % 100 <= 13) return "th";
  switch (number % 10) {
    case 1:
      return "st";
    case 2:
      return "nd";
    case 3:
      return "rd";
    default:
      return "th";
  }
}

}  // namespace

std::string_view KindName(Kind kind) { return RowOf(kind).name; }

std::string KindNames() {
  std::vector<std::string_view> names;
  for (const Row& row : kRows) names.push_back(row.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

bool IsLasting(Kind kind) { return RowOf(kind).lasting; }

Result<int32_t> ParseCode(std::string_view key, std::string_view text) {
  uint32_t code = 0;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    const char* const end = text.data() + text.size();
    const auto [last, error] = std::from_chars(text.data() + 2, end, code, 16);
    if (error == std::errc{} && last == end && code != 0) return static_cast<int32_t>(code);
  }
  return Fail(ErrorKind::kInvalid,
              fmt::format("\"{}\" is \"{}\", but must be a code like 0x8030070C", key, text));
}

Result<Fault> ParseFault(const json::Object& object) {
  Fault fault;
  AX_ASSIGN_OR_RETURN(fault.kind, ParseKind(object));
  const Row& row = RowOf(fault.kind);
  AX_RETURN_IF_ERROR(CheckKeys(object, row));
  AX_ASSIGN_OR_RETURN(fault.nth, GetCount(object, "nth", 0, 1, kMost));
  AX_ASSIGN_OR_RETURN(fault.every, GetCount(object, "every", 0, 1, kMost));
  AX_ASSIGN_OR_RETURN(fault.after_ms, GetCount(object, "after_ms", 0, 0, kMostMs));
  AX_ASSIGN_OR_RETURN(fault.seed, GetCount(object, "seed", 0, 0, kMost));
  if (json::Find(object, "probability") != nullptr) {
    AX_ASSIGN_OR_RETURN(const double probability, json::GetDouble(object, "probability", 0));
    if (!(probability >= 0 && probability <= 1)) {
      return Fail(ErrorKind::kInvalid, "\"probability\" must be from 0 to 1");
    }
    fault.probability = probability;
  } else if (json::Find(object, "seed") != nullptr && fault.kind != Kind::kCorruptRead) {
    return Fail(ErrorKind::kInvalid, "\"seed\" is of a \"probability\", which is not given");
  }
  const bool repeats = row.lasting || fault.every != 0 || fault.probability;
  AX_ASSIGN_OR_RETURN(fault.count, GetCount(object, "count", repeats ? 0 : 1, 0, kMost));
  if (json::Find(object, "for_ms") != nullptr) {
    AX_ASSIGN_OR_RETURN(fault.for_ms, GetCount(object, "for_ms", 0, 0, kMostMs));
  }
  AX_ASSIGN_OR_RETURN(fault.factor, json::GetDouble(object, "factor", fault.factor));
  if (!(fault.factor >= 1 && fault.factor <= kMostFactor)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("\"factor\" must be from 1 to {:.0f}", kMostFactor));
  }
  if (json::Find(object, "code") != nullptr) {
    AX_ASSIGN_OR_RETURN(const std::string code, json::GetString(object, "code", ""));
    AX_ASSIGN_OR_RETURN(fault.code, ParseCode("code", code));
  }
  return fault;
}

json::Object ToJson(const Fault& fault) {
  json::Object object;
  object["kind"] = KindName(fault.kind);
  if (fault.nth != 0) object["nth"] = fault.nth;
  if (fault.every != 0) object["every"] = fault.every;
  if (fault.after_ms != 0) object["after_ms"] = fault.after_ms;
  if (fault.probability) object["probability"] = *fault.probability;
  if (fault.seed != 0) object["seed"] = fault.seed;
  object["count"] = fault.count;
  if (fault.for_ms) object["for_ms"] = *fault.for_ms;
  if (fault.kind == Kind::kSlow) object["factor"] = fault.factor;
  if (fault.code) object["code"] = fmt::format("0x{:08X}", static_cast<uint32_t>(*fault.code));
  return object;
}

std::string Describe(const Fault& fault) {
  std::string text(KindName(fault.kind));
  if (fault.kind == Kind::kSlow) text += fmt::format(", {:g} times", fault.factor);
  if (fault.code) text += fmt::format(" 0x{:08X}", static_cast<uint32_t>(*fault.code));
  if (fault.for_ms) text += fmt::format(" for {} ms", *fault.for_ms);
  if (fault.every != 0) {
    text += fmt::format(", at every {}{} call", fault.every, Ending(fault.every));
  }
  if (fault.probability) {
    text += fmt::format(", at {:g} % of the calls (seed {})", *fault.probability * 100, fault.seed);
  }
  if (fault.nth != 0) text += fmt::format(", from the {}{} call", fault.nth, Ending(fault.nth));
  if (fault.after_ms != 0) text += fmt::format(", after {} ms", fault.after_ms);
  if (fault.count == 1) text += ", once";
  if (fault.count > 1) text += fmt::format(", {} times", fault.count);
  return text;
}

bool Matches(const Fault& fault, uint64_t call, uint64_t elapsed_ms) {
  if (elapsed_ms < fault.after_ms || call < fault.nth) return false;
  if (fault.every != 0 && call % fault.every != 0) return false;
  if (!fault.probability) return true;
  // 53 bits: a number from 0 to 1, without 1.
  return static_cast<double>(Mix(fault.seed, call) >> 11) * 0x1p-53 < *fault.probability;
}

// The finaliser of splitmix64, over both numbers.
uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t x = a * 0x9e3779b97f4a7c15u + b;
  for (int round = 0; round < 2; ++round) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    x ^= x >> 31;
  }
  return x;
}

}  // namespace axsim::faults
