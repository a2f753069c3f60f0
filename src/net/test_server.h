// What the server's tests share: a running server, a latch, and a whole exchange of bytes.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "net/server.h"
#include "net/test_socket.h"

namespace axollama::net {

// A flag that one thread waits for and another sets.
class Latch {
 public:
  void Set() {
    std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool Wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kTestLimit, [&] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

struct Running {
  std::unique_ptr<Server> server;
  std::string address;
};

inline Running Serve(Handler handler, ServerOptions options = {}) {
  Running running;
  running.server = std::move(*Server::Create(options, std::move(handler)));
  running.address = *running.server->ListenTcp("127.0.0.1:0");
  return running;
}

inline void Echo(const Request& request, Responder& out) {
  out.Send(200, "text/plain",
           request.method + " " + request.path + "?" + request.query + " " + request.body);
}

inline std::string Ask(const std::string& address, std::string_view bytes) {
  TestSocket socket(address);
  socket.Send(bytes);
  return socket.ReadToEnd();
}

inline constexpr std::string_view kGet = "GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n";
inline constexpr std::string_view kGetClose =
    "GET /a?b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

}  // namespace axollama::net
