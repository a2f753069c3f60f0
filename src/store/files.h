// How the store writes: whole or not at all, and never two writers at once. Private to the room.
//
// Threads: plain functions; a lock and a temporary folder belong to one thread at a time.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::store {

// mkdir -p.
Status MakeFolder(const std::filesystem::path& folder);
// Makes renames and removals in `folder` outlast a power cut.
Status SyncFolder(const std::filesystem::path& folder);

// Writes a file of a unique name in `temporary` (on the same file system), syncs it and renames it
// to `target`. A crash leaves the target as it was, or complete.
Status WriteThrough(const std::filesystem::path& temporary, const std::filesystem::path& target,
                    std::string_view content);

// Keeps other writers out, of this process and of others, until it is destroyed.
class WriteLock {
 public:
  // Waits up to `limit`; then kBusy.
  static Result<WriteLock> Take(const std::filesystem::path& file, std::chrono::milliseconds limit);
  WriteLock(WriteLock&& other) noexcept;
  WriteLock& operator=(WriteLock&& other) = delete;
  ~WriteLock();

 private:
  explicit WriteLock(int fd) : fd_(fd) {}
  int fd_;
};

// A folder for work that takes long; removed with all it holds at the end, or by
// RemoveLeftovers of a later process when this one was killed.
class WorkFolder {
 public:
  static Result<WorkFolder> Make(const std::filesystem::path& parent);
  WorkFolder(WorkFolder&& other) noexcept;
  WorkFolder& operator=(WorkFolder&& other) = delete;
  ~WorkFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  WorkFolder(std::filesystem::path path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::filesystem::path path_;
  int fd_;  // of the lock that says that somebody still works here
};

// Removes the files and folders in `temporary` that nobody works on any more: work folders whose
// lock is free, and anything else older than an hour.
void RemoveLeftovers(const std::filesystem::path& temporary);

// Whether the last change of `path` is more than an hour ago; false when that cannot be told.
bool OlderThanAnHour(const std::filesystem::path& path);

}  // namespace axollama::store
