#include "server/runtime_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>
#include <thread>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

namespace axollama::server {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "serve-";
constexpr std::string_view kCardPrefix = "card-";
// "/r4294967295.sock" behind the folder.
constexpr size_t kSocketNameBytes = 18;

// Whether process `pid` was started with a path in `folder`, so that a number used again by
// another program is not taken for the runner.
bool IsRunnerOf(pid_t pid, const fs::path& folder) {
  std::ifstream file(fmt::format("/proc/{}/cmdline", pid));
  const std::string words((std::istreambuf_iterator<char>(file)), {});
  return words.find(folder.string() + "/") != std::string::npos;
}

std::vector<pid_t> LivingRunners(const fs::path& folder) {
  std::vector<pid_t> living;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".pid") continue;
    const auto text = ReadFile(entry.path(), 64);
    const pid_t pid = text ? static_cast<pid_t>(atol(text->c_str())) : 0;
    if (pid > 0 && IsRunnerOf(pid, folder)) living.push_back(pid);
  }
  return living;
}

void RemoveStale(const fs::path& folder, int64_t deadline_ns) {
  bool killed = false;
  for (std::vector<pid_t> living = LivingRunners(folder); !living.empty();
       living = LivingRunners(folder)) {
    if (!killed && MonotonicNs() >= deadline_ns) {
      for (const pid_t pid : living) {
        log::Warn("server", "runner {} of a server that died has not ended: killing it", pid);
        kill(pid, SIGKILL);
      }
      killed = true;
      deadline_ns += 2'000'000'000;
    } else if (killed && MonotonicNs() >= deadline_ns) {
      log::Error("server", "runner {} of a server that died cannot be killed", living.front());
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  std::error_code ignored;
  const fs::path short_folder = fs::read_symlink(folder / "sockets", ignored);
  if (!ignored && short_folder.string().rfind("/tmp/axollama-s", 0) == 0) {
    fs::remove_all(short_folder, ignored);
  }
  fs::remove_all(folder, ignored);
}

void ReadNotes(const fs::path& folder, std::map<std::string, RuntimeFolder::CardMemory>* out) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    RuntimeFolder::CardMemory memory;
    std::ifstream file(entry.path());
    if (name.rfind(kCardPrefix, 0) == 0 && file >> memory.before_bytes >> memory.ours_bytes) {
      (*out)[name.substr(kCardPrefix.size())] = memory;
    }
  }
}

// Takes the lock; false also when the locked file is no longer the one in the folder.
bool Holds(int fd, const fs::path& path) {
  struct stat held{}, named{};
  return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 &&
         stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino;
}

}  // namespace

Result<std::unique_ptr<RuntimeFolder>> RuntimeFolder::Open(const fs::path& runtime_dir,
                                                           std::chrono::milliseconds patience) {
  std::error_code error;
  fs::create_directories(runtime_dir, error);
  if (error) {
    return Fail(ErrorKind::kIo,
                fmt::format("cannot make the runtime folder {}: {}. Set AXOLLAMA_RUNTIME_DIR to a "
                            "folder this user may write",
                            runtime_dir.string(), error.message()));
  }
  struct stat info{};
  if (stat(runtime_dir.c_str(), &info) != 0 || info.st_uid != geteuid()) {
    return Fail(ErrorKind::kIo, fmt::format("the runtime folder {} belongs to another user. Set "
                                            "AXOLLAMA_RUNTIME_DIR to one of your own",
                                            runtime_dir.string()));
  }
  chmod(runtime_dir.c_str(), 0700);

  const int64_t deadline_ns = MonotonicNs() + std::chrono::nanoseconds(patience).count();
  std::unique_ptr<RuntimeFolder> self(new RuntimeFolder);
  const std::string own_name = fmt::format("{}{}", kPrefix, getpid());
  std::vector<fs::path> others;
  for (const auto& entry : fs::directory_iterator(runtime_dir, error)) {
    if (entry.path().filename().string().rfind(kPrefix, 0) == 0) others.push_back(entry.path());
  }
  for (const fs::path& other : others) {
    const Fd lock(open((other / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (lock.get() >= 0 && flock(lock.get(), LOCK_EX | LOCK_NB) == 0) {
      log::Info("server", "removing {}, left by a server that died", other.string());
      ReadNotes(other, &self->left_behind_);
      RemoveStale(other, deadline_ns);
    }
  }

  self->folder_ = runtime_dir / own_name;
  // Another server that starts at this moment may take the new folder for a stale one before it is
  // locked; then it is made again.
  for (int attempt = 0; !Holds(self->lock_.get(), self->folder_ / "lock"); ++attempt) {
    if (attempt == 100) {
      return Fail(ErrorKind::kIo,
                  fmt::format("cannot use the runtime folder {}: {}", self->folder_.string(),
                              std::generic_category().message(errno)));
    }
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    fs::create_directory(self->folder_, error);
    self->lock_ = Fd(open((self->folder_ / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  }
  chmod(self->folder_.c_str(), 0700);
  self->socket_folder_ = self->folder_;
  if (self->folder_.string().size() + kSocketNameBytes >= sizeof(sockaddr_un::sun_path)) {
    char name[] = "/tmp/axollama-sXXXXXX";
    if (mkdtemp(name) == nullptr) {
      return Fail(ErrorKind::kIo, fmt::format("cannot make a folder for sockets below /tmp: {}",
                                              std::generic_category().message(errno)));
    }
    self->socket_folder_ = name;
    fs::create_symlink(name, self->folder_ / "sockets", error);
  }
  return self;
}

RuntimeFolder::~RuntimeFolder() {
  std::error_code ignored;
  if (socket_folder_ != folder_) fs::remove_all(socket_folder_, ignored);
  fs::remove_all(folder_, ignored);
}

RuntimeFolder::RunnerFiles RuntimeFolder::NewRunner() {
  const std::string name = fmt::format("r{}", next_.fetch_add(1));
  return {(socket_folder_ / (name + ".sock")).string(), folder_ / (name + ".progress"),
          folder_ / (name + ".pid")};
}

void RuntimeFolder::NotePid(const RunnerFiles& files, pid_t pid) {
  if (auto written = WriteFileAtomically(files.pid, std::to_string(pid)); !written) {
    log::Warn("server", "{}", written.error().message);
  }
}

void RuntimeFolder::NoteCard(const std::string& uid, CardMemory memory) {
  const fs::path path = folder_ / (std::string(kCardPrefix) + uid);
  const std::string text = fmt::format("{} {}\n", memory.before_bytes, memory.ours_bytes);
  if (auto written = WriteFileAtomically(path, text); !written) {
    log::Warn("server", "{}", written.error().message);
  }
}

uint64_t RuntimeFolder::OthersOn(const std::string& uid) const {
  uint64_t sum = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_.parent_path(), error)) {
    if (entry.path().filename().string().rfind(kPrefix, 0) != 0 || entry.path() == folder_)
      continue;
    const Fd lock(open((entry.path() / "lock").c_str(), O_RDWR | O_CLOEXEC));
    if (lock.get() < 0 || flock(lock.get(), LOCK_SH | LOCK_NB) == 0) continue;  // it has died
    std::map<std::string, CardMemory> notes;
    ReadNotes(entry.path(), &notes);
    const auto found = notes.find(uid);
    if (found != notes.end()) sum += found->second.ours_bytes;
  }
  return sum;
}

bool RuntimeFolder::LoadUnderWay(const std::string& uid) const {
  const fs::path lease = folder_.parent_path() / fmt::format("card-{}.lease", uid);
  const Fd file(open(lease.c_str(), O_RDWR | O_CLOEXEC));
  return file.get() >= 0 && flock(file.get(), LOCK_SH | LOCK_NB) != 0;
}

std::optional<RuntimeFolder::CardMemory> RuntimeFolder::LeftBehind(const std::string& uid) const {
  const auto found = left_behind_.find(uid);
  return found == left_behind_.end() ? std::nullopt : std::optional(found->second);
}

void RuntimeFolder::Forget(const RunnerFiles& files) {
  std::error_code ignored;
  fs::remove(files.socket, ignored);
  fs::remove(files.progress, ignored);
  fs::remove(files.pid, ignored);
}

}  // namespace axollama::server
