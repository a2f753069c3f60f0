// A child process of the supervisor: start, its words, its end.
//
// A child gets standard input, output and error and the descriptors named in its options, nothing
// else. It runs in a process group of its own, so that Ctrl-C reaches only the supervisor, which
// then ends its children in order. Its standard error is passed on line by line
// (lines that begin with "error:" only if the log is at info or more: last_error has them).
// Owner: the holder; the destructor kills and reaps. Threads: any, except construction and
// destruction. One thread of its own per child reads its words and waits for its end; of a child
// that cannot be killed it is left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"

namespace axollama::server {

// An owned file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { Reset(); }
  int get() const { return fd_; }
  void Reset();

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read, write;
  static Result<Pipe> Make();  // both ends close on exec
};

// Opens /dev/null on 0, 1 and 2 where they are closed, so that nothing else gets those numbers.
// Once, first thing in main.
void KeepStandardDescriptors();

struct ChildOptions {
  std::string program = "/proc/self/exe";
  std::vector<std::string> arguments;  // argv, with argv[0]
  int stdin_fd = -1;                   // borrowed; -1: /dev/null
  int stdout_fd = -1;                  // borrowed; -1: the child's standard error
  std::vector<int> descriptors;        // borrowed; they are 3, 4 ... in the child
};

class Child {
 public:
  // A program that cannot be executed is kIo, and there is no child then. `on_exit` is called once,
  // from the child's own thread, after its last words were read and before exited() is true: who
  // has seen the end need not fear the call any more.
  static Result<std::unique_ptr<Child>> Start(ChildOptions options,
                                              std::function<void()> on_exit = {});
  ~Child();

  pid_t pid() const { return state_->pid; }
  bool gone() const;    // the process has ended
  bool exited() const;  // and all about its end was done
  // Whether it has exited within `limit`.
  bool WaitFor(std::chrono::milliseconds limit) const;
  // Nothing once it has ended. After SIGKILL and a wait that was in vain the destructor waits no
  // more.
  void Signal(int signal);

  // After its end. "exit status 3", "signal 9 (Killed)".
  std::string EndText() const;
  int exit_code() const;  // -1 when a signal ended it
  bool killed_by_signal() const;
  // Its last line that began with "error:", without that word; "" when there was none.
  std::string last_error() const;

 private:
  // Shared with the thread, which may outlive a child that cannot be killed.
  struct State {
    pid_t pid = -1;
    mutable std::mutex mutex;
    mutable std::condition_variable ended;
    std::function<void()> on_exit;
    bool reaped = false;  // its number may belong to another process now
    bool exited = false;
    bool killed = false;
    bool outlived_kill = false;
    int wait_status = 0;
    std::string last_error;
  };
  Child() : state_(std::make_shared<State>()) {}
  static void Watch(const std::shared_ptr<State>& state, Fd words, Fd pidfd);
  static void TakeWords(State* state, std::string* buffer, bool last);

  const std::shared_ptr<State> state_;
  std::thread watcher_;
};

}  // namespace axollama::server
