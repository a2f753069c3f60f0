// The server that answers `axollama run`: the one at OLLAMA_HOST if it lists the model, else one
// of the command's own.
//
// Owner: the command. Threads: one; Interrupt of `remote` from others.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/own_server.h"
#include "cli/remote.h"
#include "cli/run_request.h"

namespace axollama::cli {

struct Answerer {
  std::unique_ptr<OwnServer> own;  // declared first: ends after the Remote
  std::unique_ptr<Remote> remote;
  std::string model;
};

// Says on standard error when it starts a server that was not asked for.
Result<Answerer> FindAnswerer(const RunOptions& options);

}  // namespace axollama::cli
