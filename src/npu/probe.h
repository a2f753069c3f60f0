// What was found out about optional features of a card, kept for the next start (design 4).
//
// One small JSON file per feature and library and firmware version, since a new version of either
// may do it right, or wrong. "trying" is written before the first try, so that a crash or hang that
// ends the process disables the feature: whoever finds "trying" does not try. Two processes that
// try at the same time for the first time agree on that too: one of them goes without until its
// next load.
// Owner: a local of one function. Threads: one.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::npu {

class ProbeRecord {
 public:
  // `feature` is a word for the file's name. `folder` is made when something is written; empty:
  // nothing is kept.
  ProbeRecord(const std::filesystem::path& folder, std::string_view feature,
              std::string_view library, std::string_view firmware);

  // Before a try. An error says why there should be none: it failed before, or ended the process,
  // or what was not tried before cannot be noted. On the disk when it returns. A file that cannot
  // be read, or is of another version, is a warning and as none.
  Status Begin();
  // How it went. kUnavailable: the card refuses, and asking again costs nothing; other errors are
  // final for this version.
  void End(const Status& result);
  // Nothing was found out.
  void Forget();

 private:
  enum class State { kUnknown, kTrying, kWorks, kUnsupported, kFails };
  State Read() const;
  Status Write(State state, std::string_view reason);

  std::filesystem::path path_;
  std::string feature_, library_, firmware_;
  State known_ = State::kUnknown;
};

// What tells a library from others: its version, else the file's path, size and time.
std::string LibraryIdentity(std::string_view path, std::string_view version);

}  // namespace axollama::npu
