// An `axollama serve` of a command's own: on a free loopback port, ending with the command.
//
// Owner: the command. The destructor ends the server in order and waits for it. When the command
// dies in whatever way, the lifeline pipe closes, and the server ends by itself.
// Threads: one.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace axollama::cli {

class OwnServer {
 public:
  // Waits until it listens. `models`: a model root, or "" for the usual ones. `device`: as of
  // serve's --device, or "". The server logs errors only, unless AXOLLAMA_LOG says otherwise.
  static Result<std::unique_ptr<OwnServer>> Start(const std::string& models,
                                                  const std::string& device);
  ~OwnServer();

  const std::string& address() const { return address_; }  // "127.0.0.1:PORT"

 private:
  OwnServer() = default;

  pid_t pid_ = -1;
  int lifeline_ = -1;
  std::string address_;
};

}  // namespace axollama::cli
