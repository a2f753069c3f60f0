// Which server a command talks to.
//
// Owner: the command. Threads: one.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "cli/command.h"
#include "cli/own_server.h"
#include "cli/remote.h"
#include "cli/signals.h"

namespace axollama::cli {

enum class NoServer {
  kFail,      // a server of our own would not know the answer
  kStartOne,  // it ends with the command
};

struct Connection {
  std::unique_ptr<OwnServer> own;  // declared first: ends after the Remote
  std::unique_ptr<Remote> remote;
};

// The server at OLLAMA_HOST or, when nothing answers there, what `no_server` says.
Result<Connection> Connect(NoServer no_server);

// Parses the command line, connects, runs `command` so that Ctrl-C ends its calls, and returns the
// exit code.
int WithServer(CLI::App& app, int argc, char** argv, NoServer no_server,
               const std::function<Status(Remote&)>& command);
// The same after the command line was parsed.
int WithServer(Signals& signals, NoServer no_server, const std::function<Status(Remote&)>& command);

}  // namespace axollama::cli
