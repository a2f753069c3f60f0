#include "sim/config/config.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <span>
#include <system_error>

#include "base/env.h"
#include "base/file.h"
#include "base/json.h"
#include "sim/timing/costs.h"

namespace axsim::config {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;
namespace json = axollama::json;

using Words = std::span<const std::string_view>;
constexpr std::array<std::string_view, 5> kKeys = {"profile", "threads", "isa", "init_error",
                                                   "cards"};
constexpr std::array<std::string_view, 4> kCardKeys = {"id", "cmm_mib", "leak_on_kill", "faults"};
constexpr int64_t kMaxThreads = 256;
constexpr int64_t kMaxCmmMib = 1 << 20;
// The card's own idle use is 18 MiB; less than this holds no buffer.
constexpr int64_t kMinCmmMib = 32;

std::string List(Words words) {
  return fmt::format("{}", fmt::join(words.begin(), words.end(), ", "));
}

bool Contains(Words words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Status CheckKeys(const json::Object& object, Words known) {
  for (const auto& entry : object) {
    const std::string_view key(entry.key().data(), entry.key().size());
    if (!Contains(known, key)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("unknown key \"{}\"; known are {}", key, List(known)));
    }
  }
  return {};
}

Result<int64_t> GetIntIn(const json::Object& object, std::string_view key, int64_t otherwise,
                         int64_t least, int64_t most) {
  AX_ASSIGN_OR_RETURN(const int64_t value, json::GetInt(object, key, otherwise));
  if (value < least || value > most) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("\"{}\" is {}, but must be from {} to {}", key, value, least, most));
  }
  return value;
}

// The whole of `text` as a number.
std::optional<uint32_t> ToNumber(std::string_view text) {
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Status CheckProfile(std::string_view profile) {
  if (timing::FindCosts(profile) != nullptr) return {};
  return Fail(ErrorKind::kInvalid, fmt::format("profile \"{}\" is not known; known are {}", profile,
                                               timing::ProfileNames()));
}

Result<std::vector<faults::Fault>> ParseFaults(const json::Value& value) {
  if (!value.is_array()) return Fail(ErrorKind::kInvalid, "\"faults\" must be an array");
  if (value.get_array().size() > faults::kMostFaults) {
    return Fail(ErrorKind::kInvalid, fmt::format("a card has {} \"faults\", but may have {}",
                                                 value.get_array().size(), faults::kMostFaults));
  }
  std::vector<faults::Fault> faults;
  for (const json::Value& item : value.get_array()) {
    if (!item.is_object()) {
      return Fail(ErrorKind::kInvalid, "every one of \"faults\" must be an object");
    }
    AX_ASSIGN_OR_RETURN(faults.emplace_back(), faults::ParseFault(item.get_object()));
  }
  return faults;
}

Result<Card> ParseCard(const json::Object& object) {
  AX_RETURN_IF_ERROR(CheckKeys(object, kCardKeys));
  Card card;
  AX_ASSIGN_OR_RETURN(const int64_t id, GetIntIn(object, "id", card.id, 1, 255));
  AX_ASSIGN_OR_RETURN(const int64_t cmm_mib,
                      GetIntIn(object, "cmm_mib", card.cmm_mib, kMinCmmMib, kMaxCmmMib));
  AX_ASSIGN_OR_RETURN(card.leak_on_kill, json::GetBool(object, "leak_on_kill", card.leak_on_kill));
  if (const json::Value* faults = json::Find(object, "faults")) {
    AX_ASSIGN_OR_RETURN(card.faults, ParseFaults(*faults));
  }
  card.id = static_cast<int32_t>(id);
  card.cmm_mib = static_cast<uint32_t>(cmm_mib);
  return card;
}

Result<std::vector<Card>> ParseCards(const json::Value& value) {
  if (!value.is_array()) return Fail(ErrorKind::kInvalid, "\"cards\" must be an array");
  std::vector<Card> cards;
  for (const json::Value& item : value.get_array()) {
    if (!item.is_object()) {
      return Fail(ErrorKind::kInvalid, "every one of \"cards\" must be an object");
    }
    AX_ASSIGN_OR_RETURN(cards.emplace_back(), ParseCard(item.get_object()));
  }
  std::sort(cards.begin(), cards.end(), [](const Card& a, const Card& b) { return a.id < b.id; });
  for (size_t i = 1; i < cards.size(); ++i) {
    if (cards[i].id == cards[i - 1].id) {
      return Fail(ErrorKind::kInvalid, fmt::format("two cards have \"id\" {}", cards[i].id));
    }
  }
  return cards;
}

Result<Config> FromObject(const json::Object& object) {
  AX_RETURN_IF_ERROR(CheckKeys(object, kKeys));
  Config config;
  AX_ASSIGN_OR_RETURN(config.profile, json::GetString(object, "profile", config.profile));
  AX_RETURN_IF_ERROR(CheckProfile(config.profile));
  AX_ASSIGN_OR_RETURN(config.isa, json::GetString(object, "isa", config.isa));
  AX_ASSIGN_OR_RETURN(const int64_t threads,
                      GetIntIn(object, "threads", config.threads, 0, kMaxThreads));
  config.threads = static_cast<uint32_t>(threads);
  AX_ASSIGN_OR_RETURN(const std::string code, json::GetString(object, "init_error", ""));
  if (json::Find(object, "init_error") != nullptr) {
    AX_ASSIGN_OR_RETURN(config.init_error, faults::ParseCode("init_error", code));
  }
  if (const json::Value* cards = json::Find(object, "cards")) {
    AX_ASSIGN_OR_RETURN(config.cards, ParseCards(*cards));
  }
  return config;
}

// An argument's JSON text: itself, or the content of the file it names; nullopt if it is neither.
std::optional<std::string> ArgumentText(std::string_view argument) {
  const size_t first = argument.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return std::nullopt;
  if (argument[first] == '{') return std::string(argument);
  auto content = axollama::ReadFile(std::filesystem::path(argument));
  if (!content) return std::nullopt;
  return std::move(*content);
}

Result<std::optional<Config>> FromArgument(std::string_view argument) {
  const auto text = ArgumentText(argument);
  if (!text) return std::nullopt;
  constexpr std::string_view kWhat = "axclInit's argument";
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(*text, kWhat));
  const bool ours = std::any_of(object.begin(), object.end(), [](const auto& entry) {
    return Contains(kKeys, std::string_view(entry.key().data(), entry.key().size()));
  });
  if (!ours) return std::nullopt;
  AX_ASSIGN_OR_RETURN(Config config, Parse(*text, kWhat));
  return config;
}

Status ApplyEnvironment(Config* config) {
  if (const auto profile = axollama::GetEnv("AXSIM_PROFILE")) {
    const Status known = CheckProfile(*profile);
    if (!known) return Fail(known.error().kind, "AXSIM_PROFILE: " + known.error().message);
    config->profile = *profile;
  }
  if (const auto isa = axollama::GetEnv("AXSIM_ISA")) config->isa = *isa;
  if (const auto text = axollama::GetEnv("AXSIM_THREADS")) {
    const auto threads = ToNumber(*text);
    if (!threads || *threads > kMaxThreads) {
      return Fail(ErrorKind::kInvalid, fmt::format("AXSIM_THREADS is \"{}\", but must be a number "
                                                   "from 0 (the fastest count) to {}",
                                                   *text, kMaxThreads));
    }
    config->threads = *threads;
  }
  return {};
}

}  // namespace

Result<Config> Parse(std::string_view text, std::string_view what) {
  AX_ASSIGN_OR_RETURN(const json::Object object, json::ParseObject(text, what));
  auto config = FromObject(object);
  if (!config) {
    return Fail(config.error().kind, fmt::format("{}: {}", what, config.error().message));
  }
  return config;
}

Result<Config> Load(std::string_view init_argument) {
  AX_ASSIGN_OR_RETURN(std::optional<Config> found, FromArgument(init_argument));
  if (!found) {
    found.emplace();
    if (const auto path = axollama::GetEnv("AXSIM_CONFIG")) {
      auto text = axollama::ReadFile(*path);
      if (!text) return Fail(text.error().kind, "AXSIM_CONFIG: " + text.error().message);
      AX_ASSIGN_OR_RETURN(*found, Parse(*text, *path));
    }
  }
  AX_RETURN_IF_ERROR(ApplyEnvironment(&*found));
  return std::move(*found);
}

Result<std::filesystem::path> StateFolder() {
  const auto given = axollama::GetEnv("AXSIM_STATE");
  const std::filesystem::path folder = given ? *given : fmt::format("/dev/shm/axsim-{}", getuid());
  std::error_code error;
  if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), error);
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return Fail(ErrorKind::kIo,
                fmt::format("cannot make the simulated card's state folder {}: {}; set AXSIM_STATE",
                            folder.string(), std::generic_category().message(errno)));
  }
  struct stat info{};
  const bool usable = stat(folder.c_str(), &info) == 0 && S_ISDIR(info.st_mode) &&
                      (given || info.st_uid == geteuid());
  if (!usable) {
    return Fail(ErrorKind::kIo, fmt::format("{} is not a folder of this user; set AXSIM_STATE to "
                                            "one that is",
                                            folder.string()));
  }
  return folder;
}

}  // namespace axsim::config
