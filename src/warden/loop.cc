#include "warden/loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace axollama::warden {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxLineBytes = 64u << 10;

// Between the loop and the thread that asks the card, which may outlive the loop.
class Asker {
 public:
  Asker(std::unique_ptr<CardAccess> card, int out_fd)
      : card_(std::move(card)),
        out_fd_(out_fd),
        changed_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Asker() {
    if (changed_fd_ >= 0) ::close(changed_fd_);
  }

  // A line to answer, or one too long to be read.
  struct Question {
    std::string line;
    bool too_long = false;
  };

  void Add(Question question) {
    std::lock_guard lock(mutex_);
    questions_.push_back(std::move(question));
    ++unanswered_;
    more_.notify_one();
  }
  void End() {
    std::lock_guard lock(mutex_);
    ended_ = true;
    more_.notify_one();
  }

  // Readable whenever an answer was written, or could not be.
  int changed_fd() const { return changed_fd_; }
  void Seen() {
    uint64_t ignored = 0;
    (void)!::read(changed_fd_, &ignored, sizeof(ignored));
  }
  bool idle() {
    std::lock_guard lock(mutex_);
    return unanswered_ == 0;
  }
  bool deaf() {  // nobody reads the answers any more
    std::lock_guard lock(mutex_);
    return deaf_;
  }

  void Run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      more_.wait(lock, [&] { return ended_ || !questions_.empty(); });
      if (ended_) return;
      const Question question = std::move(questions_.front());
      questions_.pop_front();
      lock.unlock();
      const std::string answer = question.too_long ? Refusal("the question is over 64 KiB")
                                                   : Answer(question.line, *card_);
      const bool written = WriteLine(answer + "\n");
      lock.lock();
      --unanswered_;
      deaf_ = deaf_ || !written;
      lock.unlock();
      const uint64_t one = 1;
      (void)!::write(changed_fd_, &one, sizeof(one));
    }
  }

 private:
  bool WriteLine(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::write(out_fd_, text.data(), text.size());
      if (n >= 0) {
        text.remove_prefix(static_cast<size_t>(n));
      } else if (errno == EAGAIN) {
        pollfd wait{out_fd_, POLLOUT, 0};
        ::poll(&wait, 1, -1);
      } else if (errno != EINTR) {
        return false;
      }
    }
    return true;
  }

  const std::unique_ptr<CardAccess> card_;
  const int out_fd_;
  const int changed_fd_;
  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<Question> questions_;
  size_t unanswered_ = 0;
  bool ended_ = false;
  bool deaf_ = false;
};

// Cuts what was read into lines.
class Lines {
 public:
  void Feed(std::string_view bytes, Asker& asker) {
    for (;;) {
      const size_t end = bytes.find('\n');
      line_.append(bytes.substr(0, end));
      if (line_.size() > kMaxLineBytes) {
        line_.clear();
        too_long_ = true;
      }
      if (end == std::string_view::npos) return;
      bytes.remove_prefix(end + 1);
      if (too_long_ || line_.find_first_not_of(" \t\r") != std::string::npos) {
        asker.Add({std::exchange(line_, {}), too_long_});
      }
      line_.clear();
      too_long_ = false;
    }
  }

 private:
  std::string line_;
  bool too_long_ = false;
};

}  // namespace

void RunLoop(std::unique_ptr<CardAccess> card, const LoopOptions& options) {
  const auto asker = std::make_shared<Asker>(std::move(card), options.out_fd);
  std::thread([asker] { asker->Run(); }).detach();
  Lines lines;
  bool in_ended = false;
  Clock::time_point deadline{};
  while (!asker->deaf() && !(in_ended && asker->idle())) {
    int timeout = -1;
    if (in_ended) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) break;
      timeout = static_cast<int>(left);
    }
    // poll passes over a descriptor that is -1, and so over what was not given or has ended.
    pollfd wait[3] = {{in_ended ? -1 : options.in_fd, POLLIN, 0},
                      {options.lifeline_fd, POLLIN, 0},
                      {asker->changed_fd(), POLLIN, 0}};
    if (::poll(wait, 3, timeout) < 0) continue;
    char bytes[4096];
    if (wait[1].revents != 0) {
      const ssize_t n = ::read(options.lifeline_fd, bytes, sizeof(bytes));
      if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) break;
    }
    if (wait[2].revents != 0) asker->Seen();
    if (wait[0].revents != 0) {
      const ssize_t n = ::read(options.in_fd, bytes, sizeof(bytes));
      if (n > 0) {
        lines.Feed({bytes, static_cast<size_t>(n)}, *asker);
      } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        in_ended = true;
        deadline = Clock::now() + options.grace;
      }
    }
  }
  asker->End();
}

}  // namespace axollama::warden
