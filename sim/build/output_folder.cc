#include "sim/build/output_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace axsim::build {
namespace {

namespace fs = std::filesystem;
using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;

auto IoError(const char* doing, const fs::path& path, int error) {
  return Fail(ErrorKind::kIo, fmt::format("cannot {} {}: {}", doing, path.string(),
                                          std::generic_category().message(error)));
}

std::string Prefix(const fs::path& out) { return "." + out.filename().string() + ".building-"; }

// Locks a folder; -1 when another process holds it or it is gone.
int TryLock(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

// Removes what killed builds of the same OUT left; an error if one still runs.
Status CleanLeftovers(const fs::path& out) {
  const std::string prefix = Prefix(out);
  std::error_code error;
  for (fs::directory_iterator it(out.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    if (!it->path().filename().string().starts_with(prefix)) continue;
    const int fd = TryLock(it->path());
    std::error_code ignored;
    if (fd < 0 && fs::is_directory(it->path(), ignored)) {
      return Fail(ErrorKind::kConflict,
                  fmt::format("another build of {} is running: wait for it", out.string()));
    }
    fs::remove_all(it->path(), ignored);
    if (fd >= 0) close(fd);
  }
  return {};
}

Status SyncFolder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return IoError("sync", folder, errno);
  // Some file systems cannot sync a folder (EINVAL); what they can, they have done.
  const int result = fsync(fd) != 0 && errno != EINVAL ? errno : 0;
  close(fd);
  if (result != 0) return IoError("sync", folder, result);
  return {};
}

// Removes empty folders from `from` up to, not including, `stop`.
void RemoveEmptyUpTo(fs::path from, const fs::path& stop) {
  while (from != stop && from.has_relative_path() && rmdir(from.c_str()) == 0) {
    from = from.parent_path();
  }
}

}  // namespace

Result<OutputFolder> OutputFolder::Create(const fs::path& out, const MayReplace& may_replace) {
  OutputFolder folder;
  std::error_code error;
  folder.out_ = fs::absolute(out, error).lexically_normal();
  if (!folder.out_.has_filename()) folder.out_ = folder.out_.parent_path();  // OUT ended in a slash
  if (!folder.out_.has_filename()) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} is no name for a new folder", out.string()));
  }
  if (fs::symlink_status(folder.out_, error).type() != fs::file_type::not_found) {
    AX_RETURN_IF_ERROR(may_replace(folder.out_));
    folder.replaces_ = true;
  }
  const fs::path parent = folder.out_.parent_path();
  folder.first_existing_ = parent;
  while (!fs::exists(folder.first_existing_, error) && folder.first_existing_.has_relative_path()) {
    folder.first_existing_ = folder.first_existing_.parent_path();
  }
  fs::create_directories(parent, error);
  if (error) {
    RemoveEmptyUpTo(parent, folder.first_existing_);
    return IoError("make the folder", parent, error.value());
  }
  AX_RETURN_IF_ERROR(CleanLeftovers(folder.out_));
  const fs::path temporary = parent / fmt::format("{}{}", Prefix(folder.out_), getpid());
  if (mkdir(temporary.c_str(), 0755) != 0) {
    const int cause = errno;
    RemoveEmptyUpTo(parent, folder.first_existing_);
    return IoError("make a folder in", parent, cause);
  }
  folder.temporary_ = temporary;
  folder.lock_ = TryLock(temporary);
  if (folder.lock_ < 0) return IoError("lock", temporary, errno);
  return folder;
}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : out_(std::move(other.out_)),
      temporary_(std::exchange(other.temporary_, fs::path())),
      first_existing_(std::move(other.first_existing_)),
      replaces_(other.replaces_),
      lock_(std::exchange(other.lock_, -1)) {}

OutputFolder& OutputFolder::operator=(OutputFolder&& other) noexcept {
  std::swap(out_, other.out_);
  std::swap(temporary_, other.temporary_);
  std::swap(first_existing_, other.first_existing_);
  std::swap(replaces_, other.replaces_);
  std::swap(lock_, other.lock_);
  return *this;
}

OutputFolder::~OutputFolder() {
  if (!temporary_.empty()) {
    std::error_code ignored;
    fs::remove_all(temporary_, ignored);
    RemoveEmptyUpTo(out_.parent_path(), first_existing_);
  }
  if (lock_ >= 0) close(lock_);
}

Status OutputFolder::Commit() {
  AX_RETURN_IF_ERROR(SyncFolder(temporary_));
  const auto rename2 = [&](unsigned flags) {
    return renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, out_.c_str(), flags) == 0;
  };
  if (replaces_) {
    // Exchanging keeps the older OUT there until the very moment that the new one is; it then lies
    // in the temporary folder's place, where the destructor removes it.
    if (rename2(RENAME_EXCHANGE)) return SyncFolder(out_.parent_path());
    const fs::path old = temporary_.string() + ".old";
    if (rename(out_.c_str(), old.c_str()) != 0) return IoError("replace", out_, errno);
    if (rename(temporary_.c_str(), out_.c_str()) != 0) {
      const int cause = errno;
      rename(old.c_str(), out_.c_str());
      return IoError("replace", out_, cause);
    }
    temporary_ = old;
    return SyncFolder(out_.parent_path());
  }
  // Not over what another made meanwhile. Where the file system knows no such flag, rename itself
  // refuses a folder that is not empty.
  if (!rename2(RENAME_NOREPLACE) &&
      (errno != EINVAL || rename(temporary_.c_str(), out_.c_str()) != 0)) {
    return IoError("make", out_, errno);
  }
  temporary_.clear();
  return SyncFolder(out_.parent_path());
}

}  // namespace axsim::build
