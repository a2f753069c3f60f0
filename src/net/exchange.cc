#include "net/exchange.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/json.h"
#include "net/head.h"

namespace axollama::net {
namespace {

constexpr std::string_view kProbe = "HTTP/1.1 ";  // every answer begins like this

std::string DateText() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

// A header value cannot end its line.
std::string Clean(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; },
      ' ');
  return out;
}

}  // namespace

std::string ErrorBody(std::string_view message) {
  return json::Write(json::Object{{"error", std::string(message)}});
}

std::string BuildHead(int status, std::string_view content_type, int64_t length, bool keep_alive,
                      bool http_1_0,
                      const std::vector<std::pair<std::string, std::string>>& extra) {
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", status, Reason(status), DateText());
  if (!content_type.empty()) out += fmt::format("Content-Type: {}\r\n", Clean(content_type));
  if (length >= 0) {
    if (status != 204 && status != 304) out += fmt::format("Content-Length: {}\r\n", length);
  } else if (!http_1_0) {
    out += "Transfer-Encoding: chunked\r\n";
  }
  if (!keep_alive) {
    out += "Connection: close\r\n";
  } else if (http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  for (const auto& [name, value] : extra) out += fmt::format("{}: {}\r\n", name, value);
  out += "\r\n";
  return out;
}

void Exchange::SetHeader(std::string_view name, std::string_view value) {
  for (auto& [key, old] : extra_) {
    if (SameName(key, name)) {
      old = Clean(value);
      return;
    }
  }
  extra_.emplace_back(Clean(name), Clean(value));
}

void Exchange::Send(int status, std::string_view content_type, std::string_view body) {
  {
    std::lock_guard lock(mutex_);
    if (begun_) return;
    begun_ = true;
  }
  const bool bodiless = status == 204 || status == 304;
  const std::string head = BuildHead(status, content_type, static_cast<int64_t>(body.size()),
                                     setup_.keep_alive, setup_.http_1_0, extra_);
  if (SendAll(std::string_view(head).substr(probe_sent_bytes_),
              setup_.head_only || bodiless ? std::string_view() : body, {})) {
    complete_ = true;
  }
}

void Exchange::Begin(int status, std::string_view content_type) {
  {
    std::lock_guard lock(mutex_);
    if (begun_) return;
    begun_ = true;
  }
  streaming_ = true;
  if (setup_.http_1_0) ends_connection_ = true;  // its streams end with their connection
  const std::string head =
      BuildHead(status, content_type, -1, !ends_connection_, setup_.http_1_0, extra_);
  SendAll(std::string_view(head).substr(probe_sent_bytes_), {}, {});
}

bool Exchange::Write(std::string_view chunk) {
  if (!streaming_ || gone_) return false;
  if (chunk.empty() || setup_.head_only) return true;  // an empty chunk would end the stream
  if (setup_.http_1_0) return SendAll(chunk, {}, {});
  return SendAll(fmt::format("{:x}\r\n", chunk.size()), chunk, "\r\n");
}

void Exchange::OnGone(std::function<void()> callback) {
  std::unique_lock lock(mutex_);
  if (calling_ != std::this_thread::get_id()) {
    called_.wait(lock, [&] { return calling_ == std::thread::id(); });
  }
  callback_ = std::move(callback);
  if (callback_ && gone_) setup_.post_gone();
}

void Exchange::Finish(bool failed) {
  OnGone(nullptr);
  if (!begun_) {
    Send(500, "application/json; charset=utf-8",
         ErrorBody(failed ? "internal error: see the server's log"
                          : "internal error: the request was not answered"));
  }
  if (streaming_ && !failed && !gone_) {
    // A stream that failed is left without its end, so that the client can tell.
    complete_ = setup_.head_only || setup_.http_1_0 || SendAll("0\r\n\r\n", {}, {});
  }
  std::lock_guard lock(mutex_);
  finished_ = true;
}

void Exchange::Probe() {
  std::lock_guard lock(mutex_);
  if (begun_ || finished_ || probe_sent_bytes_ > 0) return;
  const ssize_t n = ::send(setup_.fd, kProbe.data(), kProbe.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n > 0) probe_sent_bytes_ = static_cast<size_t>(n);
}

void Exchange::SetGone() {
  std::lock_guard lock(mutex_);
  gone_ = true;
  if (!finished_) ::shutdown(setup_.fd, SHUT_RDWR);
}

void Exchange::FireGone() {
  std::unique_lock lock(mutex_);
  if (!gone_ || !callback_) return;
  const std::function<void()> callback = std::exchange(callback_, nullptr);
  calling_ = std::this_thread::get_id();
  lock.unlock();
  callback();
  lock.lock();
  calling_ = std::thread::id();
  called_.notify_all();
}

void Exchange::Fail() {
  SetGone();
  setup_.post_gone();
}

bool Exchange::SendAll(std::string_view head, std::string_view body, std::string_view tail) {
  using Clock = std::chrono::steady_clock;
  std::string_view parts[3] = {head, body, tail};
  const auto limit = streaming_ ? setup_.stream_timeout : setup_.write_timeout;
  auto deadline = Clock::now() + limit;
  for (;;) {
    iovec pieces[3];
    size_t count = 0;
    for (const std::string_view part : parts) {
      if (!part.empty()) pieces[count++] = {const_cast<char*>(part.data()), part.size()};
    }
    if (count == 0) return true;
    if (gone_) return false;
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = count;
    ssize_t n = ::sendmsg(setup_.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      for (std::string_view& part : parts) {
        const size_t used = std::min(part.size(), static_cast<size_t>(n));
        part.remove_prefix(used);
        n -= static_cast<ssize_t>(used);
      }
      deadline = Clock::now() + limit;
      continue;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) break;
    // There is room again once a good part of what the kernel holds was taken: who reads a few
    // bytes now and then does not keep a handler, and with it a model, for ever.
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd wait{setup_.fd, POLLOUT, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000)));
    if (ready == 0 || (ready < 0 && errno != EINTR)) break;
  }
  Fail();
  return false;
}

}  // namespace axollama::net
