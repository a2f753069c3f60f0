// What was found out about queued work, kept for the next start (design 4).
//
// One small JSON file per library and firmware version, since a new version of either may do it
// right, or wrong. "trying" is written before the first try, so that a crash or hang that ends the
// process disables it: whoever finds "trying" does not try. Two processes that try at the same time
// for the first time agree on that too: one of them goes without until its next load.
// Owner: a local of one function. Threads: one.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::npu {

class ProbeRecord {
 public:
  // kUnsupported: the library refuses; asking again costs nothing. kFails: it did something else.
  enum class State { kUnknown, kTrying, kWorks, kUnsupported, kFails };

  // `folder` is made when something is written; empty: nothing is kept, Read is kUnknown.
  ProbeRecord(const std::filesystem::path& folder, std::string_view library,
              std::string_view firmware);

  // A file that cannot be read, or is of another version, is kUnknown and a warning.
  State Read() const;
  // On the disk when it returns.
  Status Write(State state, std::string_view reason = "") const;
  void Forget() const;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::string library_, firmware_;
};

// What tells a library from others: its version, else the file's path, size and time.
std::string LibraryIdentity(std::string_view path, std::string_view version);

}  // namespace axollama::npu
