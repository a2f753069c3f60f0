// One request's answer on its way out: written by the handler's thread straight to the socket,
// watched by the server's thread. Private to the room.
//
// Owner: shared by the connection and the handler's task. The connection keeps the descriptor open
// until Finish() was called.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "net/server.h"

namespace axollama::net {

// Head of an answer, ready to send. `length` < 0: chunked, or until the end with `http_1_0`.
std::string BuildHead(int status, std::string_view content_type, int64_t length, bool keep_alive,
                      bool http_1_0, const std::vector<std::pair<std::string, std::string>>& extra);
// {"error":"message"}
std::string ErrorBody(std::string_view message);

class Exchange final : public Responder {
 public:
  struct Setup {
    int fd = -1;
    bool head_only = false;  // HEAD
    bool http_1_0 = false;
    bool keep_alive = false;
    std::chrono::milliseconds write_timeout{};   // of whole answers
    std::chrono::milliseconds stream_timeout{};  // of streams
    // Makes the server's thread call FireGone; any thread.
    std::function<void()> post_gone;
  };
  explicit Exchange(Setup setup) : setup_(std::move(setup)), ends_connection_(!setup_.keep_alive) {}

  // Responder, for the handler's thread.
  void SetHeader(std::string_view name, std::string_view value) override;
  void Send(int status, std::string_view content_type, std::string_view body) override;
  void Begin(int status, std::string_view content_type) override;
  bool Write(std::string_view chunk) override;
  bool begun() const override { return begun_; }
  bool gone() const override { return gone_; }
  void OnGone(std::function<void()> callback) override;

  // The handler's thread, when the handler has returned, or thrown (`failed`): completes the
  // answer. The descriptor is not used afterwards.
  void Finish(bool failed);
  // After Finish: the answer is complete and the connection may carry another request.
  bool reusable() const { return complete_ && !ends_connection_ && !gone_; }
  bool complete() const { return complete_; }

  // The server's thread.
  //
  // A client that closed its connection and one that only ended its sending look the same: the
  // stream ends. Before an answer has begun, Probe sends the first bytes that any answer starts
  // with: a closed peer replies with a reset, and one that still listens has lost nothing.
  void Probe();
  void SetGone();   // wakes a blocked Write; calls no callback
  void FireGone();  // the callback, if there is one and the client has gone

 private:
  bool SendAll(std::string_view head, std::string_view body, std::string_view tail);
  void Fail();

  const Setup setup_;
  std::vector<std::pair<std::string, std::string>> extra_;  // handler's thread
  bool streaming_ = false;                                  // handler's thread
  bool ends_connection_;                                    // handler's thread until Finish
  std::atomic<bool> begun_{false};
  std::atomic<bool> gone_{false};
  std::atomic<bool> complete_{false};

  std::mutex mutex_;
  bool finished_ = false;        // under mutex_
  size_t probe_sent_bytes_ = 0;  // under mutex_; fixed once begun_
  std::function<void()> callback_;
  std::thread::id calling_;
  std::condition_variable called_;
};

}  // namespace axollama::net
