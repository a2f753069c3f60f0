// Ctrl-C and SIGTERM of a command: they interrupt what is under way, and the command ends in order.
//
// Owner: main's frame, made before any thread, so that every thread has the signals blocked and
// only this object's own thread takes them. Threads: OnInterrupt and interrupted from any.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace axollama::cli {

class Signals {
 public:
  Signals();
  ~Signals();

  // Called once per signal, from the signals' thread; nullptr removes it, and returns only when no
  // call is under way. If a signal came before, it is called at once.
  void OnInterrupt(std::function<void()> callback);
  bool interrupted() const { return interrupted_; }
  // SIGTERM came: to end in order is all that is left.
  bool ended() const { return ended_; }
  // The interrupts so far were heeded: interrupted() is false until the next one, or true if
  // ended().
  void Forget();
  // Readable once a signal came: for poll.
  int wake_fd() const { return wake_fd_; }

 private:
  void Watch();

  std::mutex mutex_;
  std::function<void()> callback_;
  std::atomic<bool> interrupted_{false};
  std::atomic<bool> ended_{false};
  std::atomic<bool> ending_{false};  // the object itself
  int wake_fd_ = -1;
  std::thread thread_;
};

}  // namespace axollama::cli
