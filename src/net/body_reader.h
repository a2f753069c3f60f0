// Reads a request's body from the socket on the handler's thread, past the server's. Private to the
// room.
//
// Owner: shared by the connection and the request. While the connection has it, it reads nothing
// itself and keeps the descriptor open; it carries no request after this one.
// Threads: the handler's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "net/chunks.h"
#include "net/http.h"

namespace axollama::net {

class BodyReader final : public BodySource {
 public:
  struct Setup {
    int fd = -1;
    std::string received;            // what came with the head
    std::optional<uint64_t> length;  // absent: chunked
    bool expect_continue = false;    // the client waits for a word before it sends
    uint64_t max_bytes = 0;
    // In each of these times at least so many bytes must come.
    std::chrono::milliseconds timeout{};
    size_t timeout_bytes = 0;
    std::function<bool()> gone;  // the server is about to end the connection
  };
  explicit BodyReader(Setup setup) : setup_(std::move(setup)) {}

  Status Read(const Sink& sink) override;

 private:
  Status Receive();
  Status ReadLength(const Sink& sink);
  Status ReadChunks(const Sink& sink);

  Setup setup_;
  // Since the last time that enough had come.
  std::chrono::steady_clock::duration waited_{};
  size_t came_bytes_ = 0;
};

}  // namespace axollama::net
