// llama-server's routes, answered by `axollama serve`: each request goes there as it is, with what
// the command line said in headers.
//
// Owner: the program; outlives the HTTP server. Threads: any.
// Source: facts 3.3 and 3.4 of the Ollama API.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/client.h"
#include "net/http.h"
#include "net/server.h"

namespace axollama::shim {

class Forward {
 public:
  // What cannot be told by an answer that has begun: Ollama understands the end of its runner, and
  // the line on its output before.
  using Die = std::function<void(const std::string& why)>;

  // `headers`: of every request.
  Forward(net::Target serve, net::Headers headers, Die die);

  void SetReady() { ready_ = true; }
  void Handle(const net::Request& request, net::Responder& responder);
  // POST `path` of serve's internal routes, sent.
  Result<std::unique_ptr<net::ClientCall>> Start(std::string_view path, std::string body) const;

 private:
  void PassOn(const net::Request& request, net::Responder& responder);
  Status Relay(net::ClientCall& call, bool errors_are_told, net::Responder& responder);

  const net::Target serve_;
  const net::Headers headers_;
  const Die die_;
  std::atomic<bool> ready_{false};
};

}  // namespace axollama::shim
