#include "npu/probe.h"

#include <fmt/core.h>

#include <boost/json/object.hpp>
#include <cstdint>
#include <iterator>
#include <system_error>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

namespace axollama::npu {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = 1 << 16;
constexpr std::string_view kWords[] = {"unknown", "trying", "works", "unsupported", "fails"};

// FNV-1a: only names a file, whose content says what it is about.
uint64_t Hash(std::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

}  // namespace

ProbeRecord::ProbeRecord(const fs::path& folder, std::string_view feature, std::string_view library,
                         std::string_view firmware)
    : feature_(feature), library_(library), firmware_(firmware) {
  if (folder.empty()) return;
  const uint64_t hash = Hash(fmt::format("{}\n{}", library, firmware));
  path_ = folder / fmt::format("{}-{:016x}.json", feature, hash);
}

Status ProbeRecord::Begin() {
  known_ = Read();
  if (known_ == State::kWorks) return {};
  if (known_ == State::kTrying || known_ == State::kFails) {
    return Fail(
        ErrorKind::kConflict,
        fmt::format("{} says that it {} with this library and firmware; delete it to try "
                    "again",
                    path_.string(), known_ == State::kFails ? "fails" : "ended the process"));
  }
  Status noted = Write(State::kTrying, "");
  if (!noted) noted.error().message = "it is not tried, for " + noted.error().message;
  return noted;
}

void ProbeRecord::End(const Status& result) {
  if (result && known_ == State::kWorks) return;
  State state = State::kWorks;
  if (!result) {
    const bool refused = result.error().kind == ErrorKind::kUnavailable;
    state = refused ? State::kUnsupported : State::kFails;
  }
  const Status noted = Write(state, result ? "" : result.error().message);
  if (!noted) log::Warn("npu", "{}", noted.error().message);
}

ProbeRecord::State ProbeRecord::Read() const {
  std::error_code error;
  if (path_.empty() || (!fs::exists(path_, error) && !error)) return State::kUnknown;
  const auto strange = [this](std::string_view what) {
    log::Warn("npu", "{}: {}: what was found out about the card is found out anew", path_.string(),
              what);
    return State::kUnknown;
  };
  const Result<std::string> text = ReadFile(path_, kMaxFileBytes);
  if (!text) return strange(text.error().message);
  const Result<json::Object> object = json::ParseObject(*text, "the file");
  if (!object) return strange(object.error().message);
  const auto word = [&object](std::string_view key) {
    const json::Value* value = json::Find(*object, key);
    const json::String* string = value != nullptr ? value->if_string() : nullptr;
    return string != nullptr ? json::View(*string) : std::string_view();
  };
  // Compared as written: a version may hold bytes that are no UTF-8.
  const json::Object mine = *json::ParseObject(
      json::Write(json::Object{{"library", library_}, {"firmware", firmware_}}), "this");
  for (const auto& [key, value] : mine) {
    if (word(key) != json::View(value.get_string())) return strange("it is of another version");
  }
  for (size_t i = 1; i < std::size(kWords); ++i) {
    if (word(feature_) == kWords[i]) return static_cast<State>(i);
  }
  return strange("it says none of the known words");
}

Status ProbeRecord::Write(State state, std::string_view reason) {
  if (path_.empty()) return {};
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  if (error) {
    return Fail(ErrorKind::kIo,
                fmt::format("cannot make {}: {}", path_.parent_path().string(), error.message()));
  }
  const json::Object object{{"library", library_},
                            {"firmware", firmware_},
                            {feature_, kWords[static_cast<size_t>(state)]},
                            {"reason", reason},
                            {"time", FormatTime(WallNs())}};
  return WriteFileAtomically(path_, json::Write(object) + "\n");
}

void ProbeRecord::Forget() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove(path_, ignored);
}

std::string LibraryIdentity(std::string_view path, std::string_view version) {
  if (!version.empty()) return std::string(version);
  std::error_code error;
  const uint64_t size_bytes = fs::file_size(path, error);
  const auto time = fs::last_write_time(path, error).time_since_epoch().count();
  return error ? std::string(path) : fmt::format("{} {} {}", path, size_bytes, time);
}

}  // namespace axollama::npu
