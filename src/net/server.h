// The HTTP/1.1 server: TCP and Unix-socket listeners on one thread of Boost.Asio, handlers on
// threads of their own.
//
// A handler runs on its own thread, so it may block; idle connections cost no thread. Bodies arrive
// whole (limits below) before the handler is called. Refused by the server itself, one line of JSON
// {"error":...}: malformed requests 400, both Content-Length and Transfer-Encoding 400, headers
// over 64 KiB or 128 lines 431, bodies over the limit 413 (503 when it is the limit of all
// together), a request not complete in time 408, more than max_active handlers 503, and connections
// over the limits 503 unless an idle one can make room.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "net/http.h"

namespace axollama::net {

// The answer to one request. Owner: the server; valid until the handler returns.
// Threads: the handler's thread, except gone(), which any thread may ask.
class Responder {
 public:
  virtual ~Responder() = default;
  // A header for the answer, before Send or Begin.
  virtual void SetHeader(std::string_view name, std::string_view value) = 0;
  // The whole answer. For HEAD the body is left out and its length stated.
  virtual void Send(int status, std::string_view content_type, std::string_view body) = 0;
  // Or a chunked stream: Begin, Write..., and the end when the handler returns. Each Write leaves
  // at once as one chunk; it blocks while the client does not read, and is false (then and ever
  // after) once the client has gone or read nothing for the write timeout.
  virtual void Begin(int status, std::string_view content_type) = 0;
  virtual bool Write(std::string_view chunk) = 0;
  virtual bool begun() const = 0;  // an answer or a stream was begun
  // Whether the client closed its connection. Watched while the handler runs.
  virtual bool gone() const = 0;
  // Called once, from the server's thread, when the client goes while the handler still runs.
  // Replaces the one before; nullptr removes it, and returns only when no call is under way.
  virtual void OnGone(std::function<void()> callback) = 0;

  // Whose request it is, once that was found out: those with the same name share a turn. It is sent
  // to nobody.
  void set_client(std::string client) { client_ = std::move(client); }
  const std::string& client() const { return client_; }

 private:
  std::string client_;
};

using Handler = std::function<void(const Request&, Responder&)>;

// What the kernel keeps for a client that has not read it yet, about: more blocks the writer.
inline constexpr int kSendBufferBytes = 256 << 10;

struct ServerOptions {
  size_t max_body_bytes = 64u << 20;
  // Of all requests together, received and not answered yet. One address has at most half of it,
  // and bodies over 1 MiB three quarters of either.
  size_t max_bodies_bytes = 256u << 20;
  // Requests whose body the handler reads itself (Request::source), as it arrives: for those that
  // are too large to be held. Called on the server's thread.
  std::function<bool(std::string_view method, std::string_view path)> streams_body;
  uint64_t max_streamed_bytes = uint64_t{256} << 30;
  // Of such a body so much must come in each such time: a thread and a disk wait for it.
  std::chrono::milliseconds pause_timeout{60'000};
  size_t pause_bytes = 64u << 10;
  uint32_t max_active = 1024;  // handlers at once
  uint32_t max_connections = 8192;
  uint32_t max_connections_per_address = 0;          // 0: half of all; IPv6: per /64
  std::chrono::milliseconds header_timeout{30'000};  // first byte to end of header
  std::chrono::milliseconds body_timeout{300'000};
  std::chrono::milliseconds idle_timeout{600'000};  // kept alive without a request
  // How long a client may leave no room for more: it has to take about a third of kSendBufferBytes
  // in that time. A stream holds more than memory (a model), so it waits less.
  std::chrono::milliseconds write_timeout{120'000};
  std::chrono::milliseconds stream_timeout{30'000};
  // The JSON of what the server itself refuses; `path` is empty where it could not be read. Called
  // on the server's thread. Absent: {"error":message}.
  std::function<std::string(int status, std::string_view path, std::string_view message)>
      refusal_body;
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> Create(ServerOptions options, Handler handler);
  virtual ~Server() = default;  // Stop(0) if it was not called

  // "HOST:PORT", "[::1]:PORT", ":PORT"; port 0 takes a free one. Returns the address really bound.
  // A taken address is kConflict.
  virtual Result<std::string> ListenTcp(std::string_view address) = 0;
  // Mode 0600. A stale socket file is replaced; one that answers is kConflict.
  virtual Result<std::string> ListenUnix(const std::string& path) = 0;
  // No new connections; handlers may finish within `grace`, then their connections are closed
  // (writes fail), and Stop returns when every handler has returned.
  virtual void Stop(std::chrono::milliseconds grace) = 0;

 protected:
  Server() = default;
};

}  // namespace axollama::net
