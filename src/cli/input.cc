#include "cli/input.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace axollama::cli {

Result<bool> Input::Fill() {
  while (true) {
    pollfd files[2] = {{STDIN_FILENO, POLLIN, 0}, {signals_.wake_fd(), POLLIN, 0}};
    if (poll(files, 2, -1) < 0 && errno != EINTR) return false;
    if (signals_.interrupted()) return Fail(ErrorKind::kCancelled, "interrupted");
    if (files[0].revents == 0) continue;
    char chunk[1 << 14];
    const ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    buffer_.append(chunk, static_cast<size_t>(n));
    return true;
  }
}

Result<std::string> Input::ReadAll(size_t max_bytes) {
  while (true) {
    AX_ASSIGN_OR_RETURN(const bool more, Fill());
    if (!more) return std::move(buffer_);
    if (buffer_.size() > max_bytes) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("standard input is longer than {} bytes", max_bytes));
    }
  }
}

Result<bool> Input::ReadLine(std::string* line) {
  size_t end = buffer_.find('\n');
  while (end == std::string::npos) {
    AX_ASSIGN_OR_RETURN(const bool more, Fill());
    if (!more) {
      if (buffer_.empty()) return false;
      buffer_.push_back('\n');  // a last line without its end is a line
    }
    end = buffer_.find('\n');
  }
  line->assign(buffer_, 0, end);
  buffer_.erase(0, end + 1);
  if (line->ends_with('\r')) line->pop_back();
  return true;
}

}  // namespace axollama::cli
