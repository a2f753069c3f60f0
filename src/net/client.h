// A blocking HTTP/1.1 client for loopback TCP and Unix sockets, with streamed answers.
//
// Owner: the caller. Threads: one thread drives a call; Cancel() may come from any other and makes
// whatever blocks return kCancelled.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"

namespace axollama::net {

// "unix:/path/socket" or "HOST:PORT".
struct Target {
  std::string address;
};

struct ClientRequest {
  std::string method = "GET";
  std::string path = "/";
  Headers headers;
  std::string body;
  std::chrono::milliseconds connect_timeout{5'000};
  // Silence allowed while waiting for the header and between two reads of the body; 0: no limit.
  std::chrono::milliseconds read_timeout{0};
};

class ClientCall {
 public:
  // Connects and sends. A refused connection is kUnavailable; nothing was run by the peer then.
  static Result<std::unique_ptr<ClientCall>> Start(const Target& target, ClientRequest request);
  virtual ~ClientCall() = default;  // closes the connection

  // Waits for the status line and headers.
  virtual Status ReadHeader() = 0;
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;

  // One line of the body without its end ("\n" or "\r\n"); false at the body's end. A body that
  // breaks off (the peer died) is kIo. A line over `max_line_bytes` (16 MiB) is kInternal.
  virtual Result<bool> ReadLine(std::string* line) = 0;
  // All of the body that is left; more than max_bytes is kInternal, never cut.
  virtual Result<std::string> ReadAll(size_t max_bytes = 256u << 20) = 0;

  virtual void Cancel() = 0;

 protected:
  ClientCall() = default;
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;
};
// Start, ReadHeader and ReadAll in one.
Result<ClientResponse> Call(const Target& target, ClientRequest request);

}  // namespace axollama::net
