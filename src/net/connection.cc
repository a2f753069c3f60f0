#include "net/connection.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "base/log.h"

namespace axollama::net {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kLingerTime{2'000};
constexpr const char* kTooMuch = "server busy, please try again.  too much is being sent at once";
constexpr std::string_view kJson = "application/json; charset=utf-8";

}  // namespace

Connection::Connection(Core* core, int fd, std::string peer, std::string local,
                       bool local_is_loopback, bool tcp)
    : core_(core),
      socket_(core->io, fd),
      timer_(core->io),
      peer_(std::move(peer)),
      local_(std::move(local)),
      local_is_loopback_(local_is_loopback),
      tcp_(tcp),
      client_(ClientOf(peer_)) {}

void Connection::Start() {
  EnterIdle();
  ArmRead();
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  if (state_ == State::kHandling) {
    HandleGone();
    return;
  }
  LeaveIdle();
  HasRoomFor(0);
  state_ = State::kClosed;
  boost::system::error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  core_->connections.erase(shared_from_this());
}

void Connection::CloseUnlessHandling() {
  if (state_ != State::kHandling) Close();
}

void Connection::EnterIdle() {
  state_ = State::kIdle;
  HasRoomFor(0);
  scanned_ = 0;
  if (in_.empty()) in_ = std::string();  // an idle connection holds no buffer
  idle_since_ = std::chrono::steady_clock::now();
  idle_at_ = core_->idle.insert(core_->idle.end(), this);
  SetTimer(core_->options.idle_timeout);
}

void Connection::LeaveIdle() {
  if (state_ == State::kIdle) core_->idle.erase(idle_at_);
}

void Connection::SetTimer(Timeout timeout) {
  deadline_ = std::chrono::steady_clock::now() + timeout;
  timer_.expires_at(deadline_);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    // A timer that fired just before it was set again finds its deadline moved.
    if (!error && std::chrono::steady_clock::now() >= self->deadline_) self->OnTimer();
  });
}

void Connection::OnTimer() {
  switch (state_) {
    case State::kIdle:
    case State::kLinger:
      Close();
      break;
    case State::kHead:
      Refuse(408, "the request's header did not arrive in time", true);
      break;
    case State::kBody:
      Refuse(408, "the request's body did not arrive in time", true);
      break;
    case State::kHandling:
    case State::kClosed:
      break;
  }
}

void Connection::ArmRead() {
  if (read_armed_ || state_ == State::kClosed) return;
  read_armed_ = true;
  socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->read_armed_ = false;
                       if (!error && self->state_ != State::kClosed) self->OnReadable();
                     });
}

void Connection::ArmHangup() {
  if (hangup_armed_ || state_ != State::kHandling) return;
  hangup_armed_ = true;
  socket_.async_wait(asio::posix::stream_descriptor::wait_error,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->hangup_armed_ = false;
                       if (error || self->state_ != State::kHandling) return;
                       if (self->HungUp()) {
                         self->HandleGone();
                       } else {
                         self->ArmHangup();
                       }
                     });
}

bool Connection::HungUp() const {
  pollfd state{const_cast<Connection*>(this)->socket_.native_handle(), 0, 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLERR | POLLHUP)) != 0;
}

void Connection::OnReadable() try {
  // Armed while the request before was handled, when this one's head was here already: what comes
  // now is its body, and its handler's.
  if (reader_) return;
  const ssize_t n =
      ::recv(socket_.native_handle(), core_->scratch.data(), core_->scratch.size(), MSG_DONTWAIT);
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
      ArmRead();
    } else {
      Close();
    }
    return;
  }
  if (n == 0) {
    ended_ = true;
  } else if (state_ != State::kLinger) {
    in_.append(core_->scratch.data(), static_cast<size_t>(n));
  }
  Process();
} catch (const std::exception& e) {
  log::Error("net", "connection from {} closed: {}", peer_, e.what());
  Close();
}

void Connection::Process() {
  bool more = true;
  while (more) {
    switch (state_) {
      case State::kIdle:
        more = ProcessIdle();
        break;
      case State::kHead:
        more = ProcessHead();
        break;
      case State::kBody:
        more = ProcessBody();
        break;
      case State::kHandling:
        // Requests sent ahead are kept for later, up to a limit; then only a hang-up is watched.
        if (reader_) return;
        if (ended_) {
          OnEnd();
        } else if (in_.size() < kMaxHeadBytes) {
          ArmRead();
        } else {
          ArmHangup();
        }
        return;
      case State::kLinger:
        if (ended_) {
          Close();
        } else {
          ArmRead();
        }
        return;
      case State::kClosed:
        return;
    }
  }
  // What is left needs more bytes than the client will send.
  if (ended_ && state_ == State::kBody) {
    Refuse(400, "the request's body ended early", true);
  } else if (ended_ && state_ != State::kHandling) {
    Close();
  } else {
    ArmRead();
  }
}

bool Connection::ProcessIdle() {
  // An empty line before a request is skipped (RFC 9112, 2.2).
  size_t blank = 0;
  while (in_.compare(blank, 2, "\r\n") == 0) blank += 2;
  in_.erase(0, blank);
  if (in_.empty() || in_ == "\r") return false;
  LeaveIdle();
  state_ = State::kHead;
  scanned_ = 0;
  head_ = RequestHead();
  SetTimer(core_->options.header_timeout);
  return true;
}

bool Connection::ProcessHead() {
  const HeadScan scan = ScanHead(in_, &scanned_);
  if (scan == HeadScan::kBad) {
    Refuse(400, "malformed request: a byte that no header may hold", true);
    return true;
  }
  if (scan == HeadScan::kMore ? in_.size() > kMaxHeadBytes : scanned_ > kMaxHeadBytes) {
    Refuse(431, fmt::format("the request's header is over the limit of {} bytes", kMaxHeadBytes),
           true);
    return true;
  }
  if (scan == HeadScan::kMore && !HasRoomFor(in_.size())) {
    Refuse(503, kTooMuch, true);
    return true;
  }
  if (scan == HeadScan::kMore) return false;
  auto head = ParseRequestHead(std::string_view(in_).substr(0, scanned_));
  in_.erase(0, scanned_);
  if (!head) {
    Refuse(head.error().status, head.error().message, true);
    return true;
  }
  head_ = std::move(*head);
  return StartBody();
}

bool Connection::StartBody() {
  body_.clear();
  chunks_ = ChunkDecoder();
  if (!head_.chunked && head_.content_length.value_or(0) == 0) {
    Dispatch();
    return true;
  }
  const bool streams = StreamsBody();
  const uint64_t limit =
      streams ? core_->options.max_streamed_bytes : core_->options.max_body_bytes;
  if (head_.content_length.value_or(0) > limit) {
    Refuse(413,
           fmt::format("the request's body of {} bytes is over the limit of {} bytes",
                       *head_.content_length, limit),
           true);
    return true;
  }
  if (streams) {
    Dispatch();
    return true;
  }
  state_ = State::kBody;
  SetTimer(core_->options.body_timeout);
  if (head_.expect_continue && in_.empty()) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    ::send(socket_.native_handle(), kContinue.data(), kContinue.size(),
           MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  return true;
}

bool Connection::StreamsBody() const {
  const auto& streams = core_->options.streams_body;
  return streams && streams(head_.method, head_.path);
}

bool Connection::ProcessBody() {
  bool complete = false;
  if (head_.chunked) {
    auto used = chunks_.Feed(in_, &body_);
    if (!used) {
      Refuse(used.error().status, used.error().message, true);
      return true;
    }
    in_.erase(0, *used);
    complete = chunks_.done();
  } else {
    const size_t wanted = static_cast<size_t>(*head_.content_length) - body_.size();
    const size_t used = std::min(wanted, in_.size());
    body_.append(in_, 0, used);
    in_.erase(0, used);
    complete = used == wanted;
  }
  if (body_.size() > core_->options.max_body_bytes) {
    Refuse(413,
           fmt::format("the request's body, {} bytes so far, is over the limit of {} bytes",
                       body_.size(), core_->options.max_body_bytes),
           true);
    return true;
  }
  if (!HasRoomFor(body_.size())) {
    Refuse(503, kTooMuch, true);
    return true;
  }
  if (!complete) return false;
  Dispatch();
  return true;
}

bool Connection::HasRoomFor(size_t bytes) {
  return core_->bodies.Count(client_, &held_bytes_, bytes);
}

void Connection::Dispatch() {
  const bool reads = state_ != State::kBody && StreamsBody() &&
                     (head_.chunked || head_.content_length.value_or(0) > 0);
  timer_.cancel();
  deadline_ = std::chrono::steady_clock::time_point::max();
  auto request = std::make_shared<Request>();
  request->method = std::move(head_.method);
  request->path = std::move(head_.path);
  request->query = std::move(head_.query);
  request->headers = std::move(head_.headers);
  request->body = std::exchange(body_, std::string());
  request->peer = peer_;
  request->local = local_;
  request->local_is_loopback = local_is_loopback_;
  head_.method = request->method;  // Refuse asks for both
  head_.path = request->path;

  Exchange::Setup setup;
  setup.fd = socket_.native_handle();
  setup.head_only = request->method == "HEAD";
  setup.http_1_0 = head_.http_1_0;
  // What a handler leaves of a body could be taken for the next request.
  setup.keep_alive = head_.keep_alive && !core_->stopping && !reads;
  setup.write_timeout = core_->options.write_timeout;
  setup.stream_timeout = core_->options.stream_timeout;
  setup.post_gone = [core = core_, weak = weak_from_this()] {
    asio::post(core->io, [weak] {
      if (const auto self = weak.lock()) self->HandleGone();
    });
  };
  exchange_ = std::make_shared<Exchange>(std::move(setup));
  state_ = State::kHandling;
  if (reads) {
    BodyReader::Setup body;
    body.fd = socket_.native_handle();
    body.received = std::exchange(in_, std::string());
    if (!head_.chunked) body.length = head_.content_length;
    body.expect_continue = head_.expect_continue;
    body.max_bytes = core_->options.max_streamed_bytes;
    body.timeout = core_->options.pause_timeout;
    body.timeout_bytes = core_->options.pause_bytes;
    body.gone = [exchange = exchange_] { return exchange->gone(); };
    request->source = reader_ = std::make_shared<BodyReader>(std::move(body));
  }
  const bool accepted =
      core_->pool.Run([self = shared_from_this(), request, exchange = exchange_]() mutable {
        bool failed = false;
        try {
          self->core_->handler(*request, *exchange);
        } catch (const std::exception& e) {
          log::Error("net", "{} {} failed: {}", request->method, request->path, e.what());
          failed = true;
        } catch (...) {
          log::Error("net", "{} {} failed", request->method, request->path);
          failed = true;
        }
        exchange->Finish(failed);
        // The connection's last owner must be the server's thread.
        asio::io_context& io = self->core_->io;
        asio::post(io, [self = std::move(self)] { self->OnHandled(); });
      });
  if (!accepted) {
    exchange_.reset();
    reader_.reset();
    Refuse(503, "server busy, please try again.  maximum pending requests exceeded",
           reads || !head_.keep_alive);
  }
}

void Connection::OnHandled() {
  reader_.reset();
  const bool reusable = exchange_->reusable();
  const bool complete = exchange_->complete() && !exchange_->gone();
  exchange_.reset();
  // Anything but kHandling: Close() has only the state left to change.
  if (reusable && !core_->stopping) {
    EnterIdle();
    Process();
  } else if (complete) {
    Linger();
  } else {
    state_ = State::kLinger;
    Close();
  }
}

void Connection::OnEnd() {
  if (!HungUp() && tcp_) exchange_->Probe();
  if (HungUp()) {
    HandleGone();
  } else {
    ArmHangup();
  }
}

void Connection::HandleGone() {
  if (state_ != State::kHandling || !exchange_) return;
  const auto exchange = exchange_;
  exchange->SetGone();
  exchange->FireGone();
}

void Connection::Refuse(int status, const std::string& message, bool close) {
  std::vector<std::pair<std::string, std::string>> extra;
  if (status == 503) extra.emplace_back("Retry-After", "1");
  const std::string body = core_->options.refusal_body
                               ? core_->options.refusal_body(status, head_.path, message)
                               : ErrorBody(message);
  std::string answer =
      BuildHead(status, kJson, static_cast<int64_t>(body.size()), !close, head_.http_1_0, extra);
  if (head_.method != "HEAD") answer += body;
  const ssize_t n =
      ::send(socket_.native_handle(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n != static_cast<ssize_t>(answer.size())) {
    // The client reads nothing of what it asked for.
    if (state_ == State::kHandling) state_ = State::kLinger;
    Close();
  } else if (close) {
    Linger();
  } else {
    EnterIdle();
  }
}

// Says that nothing more comes and takes what the client still sends: a close with unread bytes
// would reset the connection and could destroy the answer before it was read.
void Connection::Linger() {
  LeaveIdle();
  HasRoomFor(0);
  state_ = State::kLinger;
  in_ = std::string();
  ::shutdown(socket_.native_handle(), SHUT_WR);
  SetTimer(kLingerTime);
  if (ended_) {
    Close();
  } else {
    ArmRead();
  }
}

}  // namespace axollama::net
