// From a model folder to a model on the card: what the runner, bench and perplexity begin with.
//
// Owner: the caller owns what it gets. Threads: Load runs on the thread that will drive the model.
// Errors: of the bundle kInvalid, kNotFound or kIo; of the card kUnavailable, kNoMemory, kDevice...
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "device/device.h"
#include "engine/engine.h"
#include "runner/grammars.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace axollama::runner {

struct LoadRequest {
  std::filesystem::path folder;
  device::Backend backend = device::Backend::kAuto;
  std::optional<int32_t> device_id;
  Progress* progress = nullptr;
  npu::StopCheck stop;  // asked between files and while waiting for the card; may be null
};

// What is known of a loaded model; constant from then on, for any thread.
struct ModelInfo {
  std::string folder;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::string chat_template;                                    // its source; empty: none
  std::unique_ptr<const text::ChatTemplate> compiled_template;  // null: none
  std::string bos_token, eos_token;
  std::unique_ptr<const ModelGrammars> grammars;
  std::vector<std::string> stop_strings;  // added to those of every request
  npu::Limits limits;
  std::string backend;
  int32_t card_id = 0;
  uint64_t card_uid = 0;
  std::string library;
  uint64_t cmm_bytes = 0;
  bool queues = false;  // see npu::Model
  double load_ms = 0;   // of the whole, from the folder to the last file on the card
};

struct Loaded {
  engine::Parts parts;
  std::shared_ptr<const ModelInfo> info;
};

Result<Loaded> Load(const LoadRequest& request);

}  // namespace axollama::runner
