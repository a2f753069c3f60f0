#include "store/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace axollama::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWorkLock = ".in-use";
constexpr std::string_view kWorkPrefix = "work-";

tl::unexpected<Error> FileError(const char* doing, const fs::path& path) {
  return Fail(ErrorKind::kIo, fmt::format("cannot {} {}: {}", doing, path.string(),
                                          std::generic_category().message(errno)));
}

Status WriteAll(int fd, std::string_view content, const fs::path& path) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("write", path);
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (fchmod(fd, 0644) != 0 || fsync(fd) != 0) return FileError("write", path);
  return {};
}

// The lock of a work folder: held by whoever works there.
int OpenLock(const fs::path& file) {
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

}  // namespace

Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (!error && fs::is_directory(folder, error)) return {};
  return Fail(ErrorKind::kIo, fmt::format("cannot make the folder {}: {}", folder.string(),
                                          error ? error.message() : "something else is there"));
}

Status SyncFolder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError("open", folder);
  const bool synced = fsync(fd) == 0;
  const int error = errno;
  close(fd);
  errno = error;
  // Some network file systems cannot sync a folder; there is nothing better to do on them.
  if (!synced && error != EINVAL && error != ENOTSUP) return FileError("sync", folder);
  return {};
}

Status WriteThrough(const fs::path& temporary, const fs::path& target, std::string_view content) {
  std::string name = (temporary / "file-XXXXXX").string();
  const int fd = mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return FileError("create a file in", temporary);
  Status written = WriteAll(fd, content, target);
  close(fd);
  if (written && rename(name.c_str(), target.c_str()) != 0) written = FileError("replace", target);
  if (!written) {
    unlink(name.c_str());
    return written;
  }
  return SyncFolder(target.parent_path());
}

Result<WriteLock> WriteLock::Take(const fs::path& file, std::chrono::milliseconds limit) {
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("open", file);
  WriteLock lock(fd);
  // flock has no time limit of its own; who holds it does so for milliseconds.
  const int64_t end_ns = MonotonicNs() + std::chrono::nanoseconds(limit).count();
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return FileError("lock", file);
    if (MonotonicNs() > end_ns) {
      return Fail(ErrorKind::kBusy,
                  fmt::format("another process is changing the models and does not finish: who "
                              "holds {}?",
                              file.string()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return lock;
}

WriteLock::WriteLock(WriteLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

WriteLock::~WriteLock() {
  if (fd_ >= 0) close(fd_);
}

Result<WorkFolder> WorkFolder::Make(const fs::path& parent) {
  std::string name = (parent / (std::string(kWorkPrefix) + "XXXXXX")).string();
  if (mkdtemp(name.data()) == nullptr) return FileError("make a folder in", parent);
  const int fd = OpenLock(fs::path(name) / kWorkLock);
  if (fd < 0) return FileError("lock", name);
  return WorkFolder(name, fd);
}

WorkFolder::WorkFolder(WorkFolder&& other) noexcept
    : path_(std::exchange(other.path_, fs::path())), fd_(std::exchange(other.fd_, -1)) {}

WorkFolder::~WorkFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
  if (fd_ >= 0) close(fd_);
}

bool OlderThanAnHour(const fs::path& path) {
  constexpr int64_t kHourSeconds = 3'600;
  struct stat facts;
  if (lstat(path.c_str(), &facts) != 0) return false;
  return facts.st_mtim.tv_sec < WallNs() / 1'000'000'000 - kHourSeconds;
}

void RemoveLeftovers(const fs::path& temporary) {
  std::error_code error;
  std::vector<fs::path> entries;
  for (fs::directory_iterator it(temporary, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    entries.push_back(it->path());
  }
  for (const fs::path& entry : entries) {
    std::error_code ignored;
    const fs::path lock = entry / kWorkLock;
    const bool work = entry.filename().string().rfind(kWorkPrefix, 0) == 0;
    if (work && fs::exists(fs::symlink_status(lock, ignored))) {
      const int fd = OpenLock(lock);
      if (fd < 0) continue;
      fs::remove_all(entry, ignored);
      close(fd);
    } else if (OlderThanAnHour(entry)) {
      fs::remove_all(entry, ignored);
    }
  }
}

}  // namespace axollama::store
