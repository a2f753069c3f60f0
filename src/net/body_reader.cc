#include "net/body_reader.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace axollama::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kPieceBytes = 256u << 10;
constexpr milliseconds kGonePoll{200};  // how soon the server's end is noticed

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

}  // namespace

// Appends the next bytes to `received`.
Status BodyReader::Receive() {
  if (came_bytes_ >= setup_.timeout_bytes) {
    came_bytes_ = 0;
    waited_ = {};
  }
  if (waited_ > setup_.timeout) return Bad("the request's body did not arrive in time");
  // What the sink takes is not the client's time.
  const auto begin = steady_clock::now();
  const auto deadline = begin + (setup_.timeout - waited_);
  for (;;) {
    pollfd state{setup_.fd, POLLIN, 0};
    if (poll(&state, 1, static_cast<int>(kGonePoll.count())) > 0) break;
    if (setup_.gone()) return Fail(ErrorKind::kCancelled, "the server is ending");
    if (steady_clock::now() > deadline) return Bad("the request's body did not arrive in time");
  }
  waited_ += steady_clock::now() - begin;
  const size_t before = setup_.received.size();
  setup_.received.resize(before + kPieceBytes);
  const ssize_t n = recv(setup_.fd, setup_.received.data() + before, kPieceBytes, MSG_DONTWAIT);
  const int error = errno;
  came_bytes_ += static_cast<size_t>(std::max<ssize_t>(n, 0));
  setup_.received.resize(before + static_cast<size_t>(std::max<ssize_t>(n, 0)));
  if (n > 0 || (n < 0 && (error == EAGAIN || error == EINTR))) return {};
  return Bad("the request's body ended early");
}

Status BodyReader::ReadLength(const Sink& sink) {
  uint64_t left = *setup_.length;
  while (left > 0) {
    if (setup_.received.empty()) AX_RETURN_IF_ERROR(Receive());
    const auto n = static_cast<size_t>(std::min<uint64_t>(left, setup_.received.size()));
    AX_RETURN_IF_ERROR(sink(std::string_view(setup_.received).substr(0, n)));
    setup_.received.erase(0, n);
    left -= n;
  }
  return {};
}

Status BodyReader::ReadChunks(const Sink& sink) {
  ChunkDecoder chunks;
  uint64_t total = 0;
  for (;;) {
    std::string bytes;
    const auto used = chunks.Feed(setup_.received, &bytes);
    if (!used) return Bad(used.error().message);
    setup_.received.erase(0, *used);
    total += bytes.size();
    if (total > setup_.max_bytes) {
      return Bad(fmt::format("the request's body is over the limit of {} bytes", setup_.max_bytes));
    }
    if (!bytes.empty()) AX_RETURN_IF_ERROR(sink(bytes));
    if (chunks.done()) return {};
    AX_RETURN_IF_ERROR(Receive());
  }
}

Status BodyReader::Read(const Sink& sink) {
  if (setup_.expect_continue && setup_.received.empty()) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    ::send(setup_.fd, kContinue.data(), kContinue.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  return setup_.length ? ReadLength(sink) : ReadChunks(sink);
}

}  // namespace axollama::net
