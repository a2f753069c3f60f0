// A folder that appears complete or not at all.
//
// The work goes on in a temporary folder beside OUT, held by an flock, so that the next build can
// tell the leftovers of a killed one (removed) from one that runs (refused). Commit syncs and
// renames; without it the destructor removes everything, parent folders made for OUT included.
// Owner: the caller. Threads: one.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"

namespace axsim::build {

class OutputFolder {
 public:
  // Says whether an existing folder may be replaced; the text of its error is shown.
  using MayReplace = std::function<axollama::Status(const std::filesystem::path&)>;

  // An existing OUT is asked for by `may_replace`.
  static axollama::Result<OutputFolder> Create(const std::filesystem::path& out,
                                               const MayReplace& may_replace);
  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&& other) noexcept;
  ~OutputFolder();

  const std::filesystem::path& path() const { return temporary_; }  // where to write
  axollama::Status Commit();

 private:
  OutputFolder() = default;

  std::filesystem::path out_;
  std::filesystem::path temporary_;       // empty: nothing to remove
  std::filesystem::path first_existing_;  // the ancestor that was there before
  bool replaces_ = false;
  int lock_ = -1;
};

}  // namespace axsim::build
