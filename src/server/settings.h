// The settings of `axollama serve`: command line > AXOLLAMA_* > OLLAMA_* > file > default.
//
// What there is, with names, defaults and checks, stands in setting_table.cc; docs/settings.md
// explains it.
// Owner and threads: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "server/card_policy.h"
#include "server/guard.h"

namespace axollama::server {

struct Settings {
  std::vector<std::string> listen;  // "HOST:PORT"
  std::vector<std::string> models;  // roots; empty: $AXOLLAMA_HOME/models
  std::string device;               // "", "axcl", "axengine" or "sim"
  std::optional<int64_t> device_id;
  int ready_fd = -1;
  int lifeline_fd = -1;
  int64_t keep_alive_ns = 0;
  size_t max_queue = 0;
  size_t max_loaded_models = 0;  // 0: as many as fit
  std::vector<std::string> pinned;
  std::chrono::milliseconds model_turn{0};
  size_t transfer_streams = 0;  // parts of a pull that are brought at the same time
  std::chrono::milliseconds stall_limit{0};
  std::chrono::milliseconds load_limit{0};
  RebootPolicy reboot = RebootPolicy::kAuto;
  std::string origins;         // with commas
  int64_t context_tokens = 0;  // of requests without num_ctx; 0: the model's own
  std::string upstream;        // URL of an Ollama; "": none
  GuardOptions guard;
  std::string client_header;
  log::Level log_level = log::Level::kInfo;
  std::string model_path;  // AX650_MODEL_PATH: loaded at start
};

struct ParsedSettings {
  Settings settings;
  std::optional<int> exit_code;  // set: print `text` and leave
  std::string text;
};
// argv[0] is "axollama serve". A wrong option or file is exit code 2; --help and --print-config are
// 0. Exports what children and other rooms read from the environment (Setting::exported), so call
// it before there are threads.
ParsedSettings ReadSettings(int argc, char** argv);

}  // namespace axollama::server
