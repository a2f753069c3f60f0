// One accepted connection: reads requests, hands them to handlers in order, waits for the answer.
// Private to the room.
//
// Owner: Core::connections, and whatever task or wait still needs it. Threads: everything here runs
// on the server's thread; the handler's thread sees only the Exchange.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <string>
#include <unordered_set>

#include "net/body_budget.h"
#include "net/body_reader.h"
#include "net/chunks.h"
#include "net/exchange.h"
#include "net/head.h"
#include "net/pool.h"
#include "net/server.h"

namespace axollama::net {

class Connection;

// What the connections of a server share.
struct Core {
  Core(ServerOptions o, Handler h)
      : options(std::move(o)),
        handler(std::move(h)),
        bodies(options.max_bodies_bytes),
        pool(options.max_active) {}

  const ServerOptions options;
  const Handler handler;
  boost::asio::io_context io;
  std::unordered_set<std::shared_ptr<Connection>> connections;
  std::list<Connection*> idle;  // waiting for a request, the longest first
  bool stopping = false;
  BodyBudget bodies;                                   // of requests that are not answered yet
  std::string scratch = std::string(64u << 10, '\0');  // what recv fills
  Pool pool;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Takes the descriptor. `tcp` false: a Unix socket.
  Connection(Core* core, int fd, std::string peer, std::string local, bool local_is_loopback,
             bool tcp);

  void Start();
  // Closes now; while a handler runs, its client counts as gone and the close follows its return.
  void Close();
  // For the end of the server: closes unless a handler runs.
  void CloseUnlessHandling();
  const std::string& client() const { return client_; }  // ClientOf its peer
  // Of a connection in Core::idle.
  std::chrono::steady_clock::time_point idle_since() const { return idle_since_; }

 private:
  enum class State { kIdle, kHead, kBody, kHandling, kLinger, kClosed };
  using Timeout = std::chrono::milliseconds;

  void EnterIdle();
  void LeaveIdle();
  void SetTimer(Timeout timeout);
  void OnTimer();
  void ArmRead();
  void ArmHangup();
  void OnReadable();
  void OnEnd();

  void Process();
  bool ProcessIdle();  // each: false when more bytes are needed
  bool ProcessHead();
  bool ProcessBody();
  bool StartBody();
  bool HasRoomFor(size_t bytes);
  bool StreamsBody() const;
  void Dispatch();
  void OnHandled();
  void HandleGone();
  bool HungUp() const;

  // An answer of the server's own; `close` also ends the connection after it.
  void Refuse(int status, const std::string& message, bool close);
  void Linger();

  Core* const core_;
  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::time_point deadline_;
  const std::string peer_;
  const std::string local_;
  const bool local_is_loopback_;
  const bool tcp_;
  const std::string client_;

  State state_ = State::kHead;
  std::list<Connection*>::iterator idle_at_;
  std::chrono::steady_clock::time_point idle_since_;
  bool read_armed_ = false;
  bool hangup_armed_ = false;
  bool ended_ = false;  // the client sends no more
  std::string in_;      // received and not used yet
  size_t scanned_ = 0;
  RequestHead head_;
  std::string body_;
  size_t held_bytes_ = 0;  // as counted in Core::bodies
  ChunkDecoder chunks_;
  std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<BodyReader> reader_;  // while the handler reads the body itself
};

}  // namespace axollama::net
