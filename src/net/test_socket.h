// A bare client socket for tests: sends any bytes and shows what comes back.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "net/listen.h"

namespace axollama::net {

inline constexpr std::chrono::seconds kTestLimit{30};  // never reached by a test that passes

// Asks until `condition` holds.
inline bool Eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kTestLimit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

class TestSocket {
 public:
  explicit TestSocket(const std::string& address, int receive_buffer_bytes = 0) {
    if (address.front() == '/') {
      const sockaddr_un path = *UnixAddress(address);
      fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      Connect(reinterpret_cast<const sockaddr*>(&path), sizeof(path));
      return;
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(std::stoi(SplitHostPort(address)->port)));
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer_bytes > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(int));
    }
    Connect(reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  }
  ~TestSocket() { Close(); }
  TestSocket(const TestSocket&) = delete;
  TestSocket& operator=(const TestSocket&) = delete;

  bool connected() const { return connected_; }

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // the server has closed: what it said can still be read
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void EndSending() { ::shutdown(fd_, SHUT_WR); }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void Reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    Close();
  }

  // More bytes into received(); false at the end, after an error or when nothing came in time.
  bool Receive() {
    pollfd wait{fd_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(std::chrono::milliseconds(kTestLimit).count())) <= 0) {
      ADD_FAILURE() << "nothing came; so far: " << received_;
      return false;
    }
    char bytes[16384];
    const ssize_t n = ::recv(fd_, bytes, sizeof(bytes), 0);
    if (n > 0) received_.append(bytes, static_cast<size_t>(n));
    return n > 0;
  }
  // At most a few bytes, when some are there; false once nobody is at the other end.
  bool Sip() {
    char bytes[16];
    const ssize_t n = ::recv(fd_, bytes, sizeof(bytes), MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
  }
  std::string ReadToEnd() {
    while (Receive()) {
    }
    return std::exchange(received_, {});
  }
  // Up to and including `mark`.
  std::string ReadThrough(std::string_view mark) {
    size_t at = 0;
    while ((at = received_.find(mark)) == std::string::npos) {
      if (!Receive()) return std::exchange(received_, {});
    }
    std::string out = received_.substr(0, at + mark.size());
    received_.erase(0, at + mark.size());
    return out;
  }

 private:
  void Connect(const sockaddr* address, socklen_t size) {
    connected_ = ::connect(fd_, address, size) == 0;
  }

  int fd_ = -1;
  bool connected_ = false;
  std::string received_;
};

// A folder of the test's own, removed at its end.
class TestFolder {
 public:
  TestFolder() {
    char name[] = "/tmp/ax-net-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TestFolder() { ::rmdir(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace axollama::net
