#include "sim/state/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace axsim::state {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;

tl::unexpected<axollama::Error> FileError(const char* doing, const std::filesystem::path& path) {
  return Fail(ErrorKind::kIo, fmt::format("cannot {} the simulated card's {}: {}", doing,
                                          path.string(), std::generic_category().message(errno)));
}

tl::unexpected<axollama::Error> NotOurs(const std::filesystem::path& path) {
  return Fail(ErrorKind::kIo, fmt::format("{} is not a state file of this simulated card; remove "
                                          "it, or set AXSIM_STATE to another folder",
                                          path.string()));
}

// Under the lock.
Result<Head*> Map(int fd, const std::filesystem::path& path, uint64_t magic, size_t bytes) {
  struct stat info{};
  if (fstat(fd, &info) != 0) return FileError("read", path);
  const auto size = static_cast<off_t>(bytes);
  if (info.st_size == 0 && ftruncate(fd, size) != 0) return FileError("grow", path);
  if (info.st_size != 0 && info.st_size != size) return NotOurs(path);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return FileError("map", path);
  auto* head = static_cast<Head*>(memory);
  if (head->magic.load() == 0) {  // new, or its maker died here
    head->generation.store(1);
    head->magic.store(magic);
  }
  if (head->magic.load() == magic) return head;
  munmap(memory, bytes);
  return NotOurs(path);
}

}  // namespace

Result<StateFile> OpenStateFile(const std::filesystem::path& path, uint64_t magic, size_t bytes) {
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
  AX_ASSIGN_OR_RETURN(const int fd, OpenLockFile(path));
  LockFile(fd);
  const auto page = Map(fd, path, magic, bytes);
  if (!page) {
    close(fd);  // lets go of the lock, too
    return Fail(page.error());
  }
  flock(fd, LOCK_UN);
  return StateFile{fd, *page};
}

Result<int> OpenLockFile(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return FileError("open", path);
  return fd;
}

void LockFile(int fd) {
  while (flock(fd, LOCK_EX) != 0 && errno == EINTR) {
  }
}

}  // namespace axsim::state
