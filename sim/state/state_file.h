// Files in the card's state folder (AXSIM_STATE), which all processes that use a card share: a page
// of memory in a file, and the lock of a file.
//
// Owner: the caller closes what is opened and unmaps the page. Threads: plain functions; a lock of
// a file holds between processes and between openings, not between the threads that use one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "base/result.h"

namespace axsim::state {

// What every page begins with.
struct Head {
  std::atomic<uint64_t> magic;
  std::atomic<uint64_t> generation;  // from 1
};

struct StateFile {
  int fd = -1;
  Head* page = nullptr;  // mapped, of as many bytes as were asked for
};

// Made of zeros but for its head where there is none. kIo: it cannot be made, or it is of another
// size or another magic, and then stays as it is.
axollama::Result<StateFile> OpenStateFile(const std::filesystem::path& path, uint64_t magic,
                                          size_t bytes);

// A file that is only locked.
axollama::Result<int> OpenLockFile(const std::filesystem::path& path);

// Waits. Closing the file lets go, and so does flock(fd, LOCK_UN).
void LockFile(int fd);

}  // namespace axsim::state
