#include "device/gate.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "base/clock.h"

namespace axollama::device {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kPoll{20};

Error IoError(std::string_view what, const fs::path& path) {
  return {ErrorKind::kIo,
          fmt::format("{} {}: {}", what, path.string(), std::generic_category().message(errno))};
}

// One lock file. The lease's content is a mark that somebody may hold it: reading the length tells
// in one call, without the lock, that nobody does. After a crash the mark is stale; the lock
// itself always tells the truth.
class LockFile {
 public:
  static Result<LockFile> Open(const fs::path& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return Fail(IoError("cannot open the lock", path));
    return LockFile(fd, path);
  }
  LockFile(LockFile&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
  ~LockFile() {
    if (fd_ >= 0) close(fd_);
  }

  // `how` is LOCK_SH or LOCK_EX. False: somebody else holds it.
  Result<bool> Try(int how) {
    while (flock(fd_, how | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return false;
      if (errno != EINTR) return Fail(IoError("cannot lock", path_));
    }
    return true;
  }
  void Unlock() { flock(fd_, LOCK_UN); }

  bool Marked() const {
    struct stat facts;
    return fstat(fd_, &facts) == 0 && facts.st_size > 0;
  }
  Status Mark(bool on) {
    if (ftruncate(fd_, on ? 1 : 0) != 0) return Fail(IoError("cannot write", path_));
    return {};
  }

 private:
  LockFile(int fd, fs::path path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  fs::path path_;
};

class FlockGate final : public CardGate {
 public:
  FlockGate(LockFile lease, LockFile gate) : lease_(std::move(lease)), gate_(std::move(gate)) {}
  ~FlockGate() override {
    Leave();
    ReleaseLoad();
  }

  Status AcquireLoad(std::chrono::milliseconds limit, const std::function<bool()>& stop) override {
    const int64_t deadline_ns = MonotonicNs() + std::chrono::nanoseconds(limit).count();
    AX_RETURN_IF_ERROR(Wait(deadline_ns, stop, "another model is being loaded",
                            [this] { return lease_.Try(LOCK_EX); }));
    loading_ = true;
    Status status = lease_.Mark(true);
    if (status) {
      status = Wait(deadline_ns, stop, "another process keeps computing",
                    [this] { return gate_.Try(LOCK_EX); });
    }
    if (!status) ReleaseLoad();
    return status;
  }

  void ReleaseLoad() override {
    if (!loading_) return;
    gate_.Unlock();
    // A mark that stays costs later Yields a call or two, nothing else.
    (void)lease_.Mark(false);
    lease_.Unlock();
    loading_ = false;
  }

  Status Enter(const std::function<bool()>& stop) override {
    if (inside_) return {};
    AX_RETURN_IF_ERROR(Wait(INT64_MAX, stop, "", [this]() -> Result<bool> {
      AX_ASSIGN_OR_RETURN(const bool loading, SomebodyLoads());
      if (loading) return false;
      return gate_.Try(LOCK_SH);
    }));
    inside_ = true;
    return {};
  }

  void Leave() override {
    if (!inside_) return;
    gate_.Unlock();
    inside_ = false;
  }

  Status Yield(const std::function<bool()>& stop) override {
    if (!inside_ || !lease_.Marked()) return {};
    AX_ASSIGN_OR_RETURN(const bool loading, SomebodyLoads());
    if (!loading) return {};
    Leave();
    return Enter(stop);
  }

 private:
  // A load holds the lease while it waits for the gate, too.
  Result<bool> SomebodyLoads() {
    if (!lease_.Marked()) return false;
    AX_ASSIGN_OR_RETURN(const bool mine, lease_.Try(LOCK_SH));
    if (!mine) return true;
    // The loader died: clear its mark while the shared lock keeps new ones out.
    const Status cleared = lease_.Mark(false);
    lease_.Unlock();
    AX_RETURN_IF_ERROR(cleared);
    return false;
  }

  template <typename Attempt>
  static Status Wait(int64_t deadline_ns, const std::function<bool()>& stop, std::string_view why,
                     const Attempt& attempt) {
    while (true) {
      AX_ASSIGN_OR_RETURN(const bool done, attempt());
      if (done) return {};
      if (stop && stop()) return Fail(ErrorKind::kCancelled, "stopped while waiting for the card");
      if (MonotonicNs() >= deadline_ns) {
        return Fail(ErrorKind::kTimeout, fmt::format("the card did not become free: {}", why));
      }
      std::this_thread::sleep_for(kPoll);
    }
  }

  LockFile lease_;
  LockFile gate_;
  bool loading_ = false;
  bool inside_ = false;
};

}  // namespace

Result<std::unique_ptr<CardGate>> CardGate::Open(const fs::path& runtime_dir, uint64_t card_uid) {
  std::error_code error;
  fs::create_directories(runtime_dir.parent_path(), error);
  if (mkdir(runtime_dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return Fail(IoError("cannot make the runtime folder", runtime_dir));
  }
  struct stat facts;
  if (lstat(runtime_dir.c_str(), &facts) != 0 ||
      !(S_ISDIR(facts.st_mode) || S_ISLNK(facts.st_mode))) {
    return Fail(ErrorKind::kIo,
                fmt::format("the runtime folder {} is not a folder", runtime_dir.string()));
  }
  // The default lies in /tmp, where anybody may have made the name first.
  if (geteuid() != 0 && facts.st_uid != geteuid() && facts.st_uid != 0) {
    return Fail(ErrorKind::kIo, fmt::format("the runtime folder {} belongs to another user: set "
                                            "AXOLLAMA_RUNTIME_DIR",
                                            runtime_dir.string()));
  }
  AX_ASSIGN_OR_RETURN(LockFile lease,
                      LockFile::Open(runtime_dir / fmt::format("card-{:x}.lease", card_uid)));
  AX_ASSIGN_OR_RETURN(LockFile gate,
                      LockFile::Open(runtime_dir / fmt::format("card-{:x}.gate", card_uid)));
  return std::make_unique<FlockGate>(std::move(lease), std::move(gate));
}

}  // namespace axollama::device
