#include "cli/signals.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace axollama::cli {
namespace {

sigset_t Watched() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);  // the destructor's way to end the wait
  return set;
}

}  // namespace

Signals::Signals() {
  const sigset_t set = Watched();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  thread_ = std::thread([this] { Watch(); });
}

Signals::~Signals() {
  ending_ = true;
  pthread_kill(thread_.native_handle(), SIGUSR1);
  thread_.join();
  close(wake_fd_);
}

void Signals::Watch() {
  const sigset_t set = Watched();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0 || ending_) return;
    if (signal == SIGUSR1) continue;
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
    if (signal == SIGTERM) ended_ = true;
    const uint64_t one = 1;
    // A full counter is as readable as one more.
    [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
    if (callback_) callback_();
  }
}

void Signals::Forget() {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  interrupted_ = false;
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof(count));
}

void Signals::OnInterrupt(std::function<void()> callback) {
  const std::lock_guard lock(mutex_);
  callback_ = std::move(callback);
  if (callback_ && interrupted_) callback_();
}

}  // namespace axollama::cli
