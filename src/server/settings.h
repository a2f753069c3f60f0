// The settings of `axollama serve`: command line > environment > defaults.
//
// Owner and threads: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/card_policy.h"

namespace axollama::server {

struct Settings {
  std::vector<std::string> listen;  // "HOST:PORT"
  std::vector<std::string> models;  // --models; empty: the environment decides
  std::string device;               // "", "axcl", "axengine" or "sim"
  std::optional<int64_t> device_id;
  int ready_fd = -1;
  int lifeline_fd = -1;
  int64_t keep_alive_ns = 0;                      // OLLAMA_KEEP_ALIVE
  size_t max_queue = 512;                         // OLLAMA_MAX_QUEUE
  std::chrono::milliseconds stall_limit{60'000};  // AXOLLAMA_STALL_TIMEOUT, seconds
  std::chrono::milliseconds load_limit{300'000};  // OLLAMA_LOAD_TIMEOUT
  RebootPolicy reboot = RebootPolicy::kAuto;      // AXOLLAMA_REBOOT
  std::string origins;                            // OLLAMA_ORIGINS
  std::string model_path;                         // AX650_MODEL_PATH: loaded at start
};

struct ParsedSettings {
  Settings settings;
  std::optional<int> exit_code;  // set: print `text` and leave
  std::string text;
};
// argv[0] is "axollama serve". A wrong option is exit code 2; --help is 0.
ParsedSettings ReadSettings(int argc, char** argv);

}  // namespace axollama::server
