#include "server/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/log.h"

namespace axollama::server {
namespace {

// A line of a child's words that is longer is passed on in parts.
constexpr size_t kMaxLineBytes = 16 * 1024;
// Descriptors for the child are first moved above this, out of the way of their final numbers.
constexpr int kParkingFd = 20;
// A process that is still there this long after SIGKILL hangs in the kernel.
constexpr std::chrono::milliseconds kKillLimit{10'000};

std::string ErrnoText(int number) { return std::generic_category().message(number); }

// Everything here runs between fork and exec: system calls only.
[[noreturn]] void BecomeProgram(const ChildOptions& options, char* const* arguments, int words,
                                int report) {
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);

  auto fail = [&] {
    const int number = errno;
    [[maybe_unused]] const ssize_t written = write(report, &number, sizeof(number));
    _exit(127);
  };
  auto park = [&](int fd) {
    const int parked = fcntl(fd, F_DUPFD_CLOEXEC, kParkingFd);
    if (parked < 0) fail();
    return parked;
  };
  int null = -1;
  if (options.stdin_fd < 0) {
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) fail();
  }
  const int count = static_cast<int>(options.descriptors.size());
  int parked[3 + 8];
  parked[0] = park(options.stdin_fd < 0 ? null : options.stdin_fd);
  parked[1] = park(options.stdout_fd < 0 ? words : options.stdout_fd);
  parked[2] = park(words);
  for (int i = 0; i < count; ++i) parked[3 + i] = park(options.descriptors[i]);
  const int parked_report = park(report);
  for (int i = 0; i < 3 + count; ++i) {
    if (dup2(parked[i], i) < 0) fail();
  }
  // Sockets of the HTTP server and whatever else this process holds.
  report = parked_report;
  const int first = 3 + count;
#ifdef SYS_close_range
  if (syscall(SYS_close_range, first, report - 1, 0) == 0 &&
      syscall(SYS_close_range, report + 1, ~0u, 0) == 0) {
    execv(options.program.c_str(), arguments);
    fail();
  }
#endif
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const int end = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
  for (int fd = first; fd < end; ++fd) {
    if (fd != report) close(fd);
  }
  execv(options.program.c_str(), arguments);
  fail();
  _exit(127);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

void Fd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Result<Pipe> Pipe::Make() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Fail(ErrorKind::kIo, "cannot make a pipe: " + ErrnoText(errno));
  }
  Pipe pipe;
  pipe.read = Fd(ends[0]);
  pipe.write = Fd(ends[1]);
  return pipe;
}

void KeepStandardDescriptors() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
      const int opened = open("/dev/null", O_RDWR);
      if (opened >= 0 && opened != fd) {
        dup2(opened, fd);
        close(opened);
      }
    }
  }
}

Result<std::unique_ptr<Child>> Child::Start(ChildOptions options, std::function<void()> on_exit) {
  if (options.descriptors.size() > 8) {
    return Fail(ErrorKind::kInternal, "too many descriptors for a child process");
  }
  AX_ASSIGN_OR_RETURN(Pipe words, Pipe::Make());
  AX_ASSIGN_OR_RETURN(Pipe report, Pipe::Make());
  std::vector<char*> arguments;
  for (std::string& argument : options.arguments) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  const pid_t pid = fork();
  if (pid < 0) {
    return Fail(ErrorKind::kIo, "cannot start a process: " + ErrnoText(errno));
  }
  if (pid == 0) BecomeProgram(options, arguments.data(), words.write.get(), report.write.get());

  words.write.Reset();
  report.write.Reset();
  int number = 0;
  ssize_t got;
  do {
    got = read(report.read.get(), &number, sizeof(number));
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof(number))) {
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return Fail(ErrorKind::kIo,
                fmt::format("cannot execute {}: {}", options.program, ErrnoText(number)));
  }

  std::unique_ptr<Child> child(new Child);
  child->state_->pid = pid;
  child->state_->on_exit = std::move(on_exit);
  fcntl(words.read.get(), F_SETFL, O_NONBLOCK);
#ifdef SYS_pidfd_open
  Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
#else
  Fd pidfd;
#endif
  child->watcher_ = std::thread([state = child->state_, words_read = std::move(words.read),
                                 pidfd = std::move(pidfd)]() mutable {
    Watch(state, std::move(words_read), std::move(pidfd));
  });
  return child;
}

Child::~Child() {
  Signal(SIGKILL);
  if (!watcher_.joinable()) return;
  bool in_vain = false;
  {
    std::lock_guard lock(state_->mutex);
    in_vain = state_->outlived_kill && !state_->exited;
  }
  if (!in_vain && WaitFor(kKillLimit)) {
    watcher_.join();
    return;
  }
  {
    std::lock_guard lock(state_->mutex);
    state_->on_exit = {};
  }
  watcher_.detach();
}

void Child::Watch(const std::shared_ptr<State>& state, Fd words, Fd pidfd) {
  std::string buffer;
  bool words_open = true;
  bool dead = false;
  int status = 0;
  while (!dead) {
    pollfd wanted[2] = {{words_open ? words.get() : -1, POLLIN, 0}, {pidfd.get(), POLLIN, 0}};
    // Without a pidfd the end is asked for; a kernel older than 5.3.
    poll(wanted, 2, pidfd.get() >= 0 ? -1 : 50);
    {
      // Reaped and marked under the lock, so that Signal never meets a number used again.
      std::lock_guard lock(state->mutex);
      dead = waitpid(state->pid, &status, WNOHANG) == state->pid;
      if (dead) state->wait_status = status;
      if (dead) state->reaped = true;
    }
    char chunk[4096];
    while (words_open) {
      const ssize_t got = read(words.get(), chunk, sizeof(chunk));
      if (got > 0) {
        buffer.append(chunk, static_cast<size_t>(got));
        TakeWords(state.get(), &buffer, false);
        continue;
      }
      if (got < 0 && errno == EINTR) continue;
      if (got == 0) words_open = false;
      break;
    }
  }
  TakeWords(state.get(), &buffer, true);
  std::function<void()> on_exit;
  {
    std::lock_guard lock(state->mutex);
    on_exit = std::move(state->on_exit);
  }
  if (on_exit) on_exit();
  std::lock_guard lock(state->mutex);
  state->exited = true;
  state->ended.notify_all();
}

void Child::TakeWords(State* state, std::string* buffer, bool last) {
  for (;;) {
    size_t end = buffer->find('\n');
    if (end == std::string::npos) {
      if (buffer->size() < kMaxLineBytes && !(last && !buffer->empty())) return;
      end = std::min(buffer->size(), kMaxLineBytes);
      buffer->insert(end, 1, '\n');
    }
    const std::string line = buffer->substr(0, end);
    const bool failure = line.rfind("error:", 0) == 0;
    // Whoever asked is told of a failure; beside a log that is quiet it would be said twice.
    if (!failure || log::Enabled(log::Level::kInfo)) {
      [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, buffer->data(), end + 1);
    }
    buffer->erase(0, end + 1);
    if (failure) {
      const size_t text = line.find_first_not_of(' ', 6);
      std::lock_guard lock(state->mutex);
      state->last_error = text == std::string::npos ? "" : line.substr(text);
    }
  }
}

bool Child::gone() const {
  std::lock_guard lock(state_->mutex);
  return state_->reaped;
}

bool Child::exited() const {
  std::lock_guard lock(state_->mutex);
  return state_->exited;
}

bool Child::WaitFor(std::chrono::milliseconds limit) const {
  std::unique_lock lock(state_->mutex);
  const bool ended = state_->ended.wait_for(lock, limit, [&] { return state_->exited; });
  state_->outlived_kill = state_->killed && !ended;
  return ended;
}

void Child::Signal(int signal) {
  std::lock_guard lock(state_->mutex);
  if (state_->reaped) return;
  kill(state_->pid, signal);
  state_->killed = state_->killed || signal == SIGKILL;
}

int Child::exit_code() const {
  std::lock_guard lock(state_->mutex);
  const int status = state_->wait_status;
  return state_->reaped && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool Child::killed_by_signal() const {
  std::lock_guard lock(state_->mutex);
  return state_->reaped && WIFSIGNALED(state_->wait_status);
}

std::string Child::EndText() const {
  std::lock_guard lock(state_->mutex);
  const int status = state_->wait_status;
  if (!state_->reaped) return "still running";
  if (WIFEXITED(status)) return fmt::format("exit status {}", WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  return fmt::format("signal {} ({})", signal, strsignal(signal));
}

std::string Child::last_error() const {
  std::lock_guard lock(state_->mutex);
  return state_->last_error;
}

}  // namespace axollama::server
