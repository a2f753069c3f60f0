#include "net/client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <thread>

#include "net/chunks.h"
#include "net/head.h"
#include "net/listen.h"

namespace axollama::net {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr size_t kMaxLineBytes = 16u << 20;
constexpr size_t kReadBytes = 64u << 10;
constexpr std::string_view kUnixPrefix = "unix:";

bool HoldsControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

class CallImpl final : public ClientCall {
 public:
  CallImpl(std::string address, const ClientRequest& request)
      : address_(std::move(address)),
        head_only_(request.method == "HEAD"),
        connect_timeout_(request.connect_timeout),
        read_timeout_(request.read_timeout) {}

  ~CallImpl() override {
    if (fd_ >= 0) ::close(fd_);
  }

  Status Open(const ClientRequest& request) {
    AX_RETURN_IF_ERROR(address_.starts_with(kUnixPrefix) ? ConnectUnix() : ConnectTcp());
    AX_RETURN_IF_ERROR(SendRequest(request));
    return ReadsBlock();
  }

  Status ReadHeader() override {
    size_t scanned = 0;
    for (;;) {
      const HeadScan scan = ScanHead(in_, &scanned);
      if (scan == HeadScan::kBad || in_.size() > 2 * kReadBytes) {
        return Broken("the answer is not HTTP");
      }
      if (scan == HeadScan::kMore) {
        AX_ASSIGN_OR_RETURN(const bool more, Receive());
        if (!more) return Io("the connection closed before an answer came", 0);
        continue;
      }
      auto head = ParseResponseHead(std::string_view(in_).substr(0, scanned));
      in_.erase(0, scanned);
      scanned = 0;
      if (!head) return Broken(head.error().message);
      if (head->status < 200) continue;  // "100 Continue" and its like
      head_ = std::move(*head);
      break;
    }
    const bool bodiless = head_only_ || head_.status == 204 || head_.status == 304;
    if (bodiless) {
      finished_ = true;
    } else if (head_.content_length) {
      left_ = *head_.content_length;
      finished_ = left_ == 0;
    }
    return {};
  }

  int status() const override { return head_.status; }
  const Headers& headers() const override { return head_.headers; }

  Result<bool> ReadLine(std::string* line) override {
    size_t scanned = body_at_;
    for (;;) {
      const size_t end = body_.find('\n', scanned);
      if (end != std::string::npos) {
        line->assign(body_, body_at_, end - body_at_);
        if (!line->empty() && line->back() == '\r') line->pop_back();
        body_at_ = end + 1;
        return true;
      }
      scanned = body_.size();
      if (scanned - body_at_ > kMaxLineBytes) {
        return Broken(fmt::format("a line of the answer is over {} bytes", kMaxLineBytes));
      }
      // Only here does the buffer move, so a line is found without copying those before it.
      body_.erase(0, body_at_);
      scanned -= body_at_;
      body_at_ = 0;
      AX_ASSIGN_OR_RETURN(const bool more, ReceiveBody());
      if (more) continue;
      if (body_.empty()) return false;
      *line = std::move(body_);
      body_.clear();
      return true;
    }
  }

  Result<std::string> ReadAll(size_t max_bytes) override {
    for (;;) {
      if (body_.size() - body_at_ > max_bytes) {
        return Broken(fmt::format("the answer is over {} bytes", max_bytes));
      }
      AX_ASSIGN_OR_RETURN(const bool more, ReceiveBody());
      if (!more) break;
    }
    std::string all = body_.substr(body_at_);
    body_.clear();
    body_at_ = 0;
    return all;
  }

  void Cancel() override {
    cancelled_ = true;
    ::shutdown(fd_, SHUT_RDWR);
  }

 private:
  tl::unexpected<Error> Io(std::string_view what, int error) const {
    return Fail(ErrorKind::kIo, error == 0
                                    ? fmt::format("{}: {}", address_, what)
                                    : fmt::format("{}: {}: {}", address_, what, ErrnoText(error)));
  }
  tl::unexpected<Error> Broken(std::string_view what) const {
    return Fail(ErrorKind::kInternal, fmt::format("{}: {}", address_, what));
  }
  tl::unexpected<Error> Unavailable(int error) const {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot connect to {}: {}", address_, ErrnoText(error)));
  }

  tl::unexpected<Error> Silent(milliseconds limit) const {
    return Fail(ErrorKind::kTimeout,
                fmt::format("{}: no answer within {} ms", address_, limit.count()));
  }

  // Waits until the socket can be written to; a hang-up counts as that.
  Status WaitToWrite() {
    const auto deadline = Clock::now() + connect_timeout_;
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return Silent(connect_timeout_);
      pollfd wait{fd_, POLLOUT, 0};
      const int ready = ::poll(&wait, 1, static_cast<int>(std::min<int64_t>(left, 3'600'000)));
      if (ready < 0 && errno != EINTR) return Io("waiting failed", errno);
      if (ready > 0) return {};
    }
  }

  // From here on the kernel waits within a read, and Cancel's shutdown ends it: a stream's tokens
  // come one at a time, and asking first whether there is one takes as long as reading it.
  Status ReadsBlock() {
    const int flags = ::fcntl(fd_, F_GETFL);
    const int64_t limit = read_timeout_.count();
    const timeval most{limit / 1000, limit % 1000 * 1000};
    if (flags < 0 || ::fcntl(fd_, F_SETFL, flags & ~O_NONBLOCK) != 0 ||
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)) != 0) {
      return Io("the connection cannot be read from", errno);
    }
    return {};
  }

  Status ConnectUnix() {
    const std::string path = address_.substr(kUnixPrefix.size());
    AX_ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) return Io("no socket", errno);
    const auto deadline = Clock::now() + connect_timeout_;
    while (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      if (errno == EINTR) continue;
      // A full queue of a Unix socket cannot be waited for, only asked again.
      if (errno != EAGAIN || Clock::now() >= deadline) return Unavailable(errno);
      std::this_thread::sleep_for(milliseconds(5));
    }
    return {};
  }

  Status ConnectTcp() {
    AX_ASSIGN_OR_RETURN(const HostPort parts, SplitHostPort(address_));
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(parts.host.empty() ? "localhost" : parts.host.c_str(),
                                     parts.port.c_str(), &hints, &found);
    if (failed != 0) {
      return Fail(ErrorKind::kUnavailable,
                  fmt::format("cannot connect to {}: {}", address_, ::gai_strerror(failed)));
    }
    Status status = Unavailable(EADDRNOTAVAIL);
    for (const addrinfo* i = found; i != nullptr; i = i->ai_next) {
      status = ConnectOne(*i);
      if (status) break;
    }
    ::freeaddrinfo(found);
    return status;
  }

  Status ConnectOne(const addrinfo& address) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = ::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0) return Unavailable(errno);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (::connect(fd_, address.ai_addr, address.ai_addrlen) == 0) return {};
    if (errno != EINPROGRESS && errno != EINTR) return Unavailable(errno);
    const Status ready = WaitToWrite();
    if (!ready) {
      if (ready.error().kind == ErrorKind::kTimeout) return Unavailable(ETIMEDOUT);
      return ready;
    }
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return Unavailable(error);
    return {};
  }

  Status SendRequest(const ClientRequest& request) {
    std::string text = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.path);
    if (request.headers.Get("Host").empty()) {
      text += fmt::format("Host: {}\r\n",
                          address_.starts_with(kUnixPrefix) ? "localhost" : address_.c_str());
    }
    for (const auto& [name, value] : request.headers.list) {
      text += fmt::format("{}: {}\r\n", name, value);
    }
    text += "Connection: close\r\n";
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
      text += fmt::format("Content-Length: {}\r\n", request.body.size());
    }
    text += "\r\n";
    text += request.body;
    std::string_view left = text;
    while (!left.empty()) {
      const ssize_t n = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) {
        left.remove_prefix(static_cast<size_t>(n));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        AX_RETURN_IF_ERROR(WaitToWrite());
      } else if (errno == EPIPE || errno == ECONNRESET) {
        break;  // it may have answered before it read everything: ReadHeader will tell
      } else if (errno != EINTR) {
        return Io("sending failed", errno);
      }
    }
    return {};
  }

  // Appends to in_; false at the end of the stream.
  Result<bool> Receive() {
    for (;;) {
      const ssize_t n = cancelled_ ? 0 : ::recv(fd_, received_.get(), kReadBytes, 0);
      const int error = errno;
      if (cancelled_) return Fail(ErrorKind::kCancelled, "the call was cancelled");
      if (n > 0) {
        in_.append(received_.get(), static_cast<size_t>(n));
        return true;
      }
      if (n == 0) return false;
      if (error == EAGAIN || error == EWOULDBLOCK) return Silent(read_timeout_);
      if (error != EINTR) return Io("the connection broke", error);
    }
  }

  // Appends to body_; false at the body's end.
  Result<bool> ReceiveBody() {
    const size_t before = body_.size();
    while (!finished_) {
      if (!in_.empty()) {
        AX_RETURN_IF_ERROR(Decode());
        if (body_.size() > before) return true;
        if (finished_) break;
      }
      AX_ASSIGN_OR_RETURN(const bool more, Receive());
      if (more) continue;
      if (head_.chunked || head_.content_length) {
        return Io("the answer broke off: the other side is gone", 0);
      }
      finished_ = true;
    }
    return false;
  }

  Status Decode() {
    if (head_.chunked) {
      auto used = chunks_.Feed(in_, &body_);
      if (!used) return Broken(used.error().message);
      in_.erase(0, *used);
      finished_ = chunks_.done();
    } else if (head_.content_length) {
      const size_t used = static_cast<size_t>(std::min<uint64_t>(left_, in_.size()));
      body_.append(in_, 0, used);
      in_.erase(0, used);
      left_ -= used;
      finished_ = left_ == 0;
    } else {
      body_ += in_;
      in_.clear();
    }
    return {};
  }

  const std::string address_;
  const bool head_only_;
  const milliseconds connect_timeout_;
  const milliseconds read_timeout_;
  int fd_ = -1;
  std::atomic<bool> cancelled_{false};

  // Apart from in_, which would be filled with zeros for each of a stream's small pieces.
  std::unique_ptr<char[]> received_ = std::make_unique_for_overwrite<char[]>(kReadBytes);
  std::string in_;  // received, still framed
  ResponseHead head_;
  ChunkDecoder chunks_;
  uint64_t left_ = 0;  // of a body with a length
  bool finished_ = false;
  std::string body_;  // unframed
  size_t body_at_ = 0;
};

}  // namespace

Result<std::unique_ptr<ClientCall>> ClientCall::Start(const Target& target, ClientRequest request) {
  bool bad = request.method.empty() || HoldsControl(request.method + request.path) ||
             request.path.find(' ') != std::string::npos;
  for (const auto& [name, value] : request.headers.list) {
    bad = bad || name.empty() || HoldsControl(name) || HoldsControl(value) ||
          name.find_first_of(" \t:") != std::string::npos;
  }
  if (bad) return Fail(ErrorKind::kInvalid, "the request's method, path or headers are malformed");
  auto call = std::make_unique<CallImpl>(target.address, request);
  AX_RETURN_IF_ERROR(call->Open(request));
  return call;
}

Result<ClientResponse> Call(const Target& target, ClientRequest request) {
  AX_ASSIGN_OR_RETURN(const std::unique_ptr<ClientCall> call,
                      ClientCall::Start(target, std::move(request)));
  AX_RETURN_IF_ERROR(call->ReadHeader());
  ClientResponse response;
  response.status = call->status();
  response.headers = call->headers();
  AX_ASSIGN_OR_RETURN(response.body, call->ReadAll());
  return response;
}

}  // namespace axollama::net
