// The command line that a stock Ollama gives its llama-server.
//
// Threads: plain functions and values. Source: facts 3.3 of the Ollama API.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace axollama::shim {

struct Arguments {
  bool list_devices = false;
  std::string model;               // a file; empty: Ollama looks what devices there are
  std::string host = "127.0.0.1";  // to listen on
  std::string port = "8080";
  int64_t context_tokens = 0;  // of each of the `parallel` sequences; 0: the model's
  bool shift = false;          // go on when the context is full
};

// What llama-server has and this does not need is passed over: threads, layers, batches, logging.
Arguments ReadArguments(const std::vector<std::string>& words);

}  // namespace axollama::shim
