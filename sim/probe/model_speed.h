// How fast the simulated NPU runs a bundle's files: the executes alone, without a client's work
// between them. Threads: one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "sim/model/model.h"

namespace axsim::probe {

struct LoadedModel {
  std::vector<axollama::MappedFile> files;
  std::vector<std::unique_ptr<model::Model>> models;  // the layers, then the post model
  uint64_t weight_bytes = 0;                          // that decoding a token reads
  uint64_t layer_multiply_adds = 0;                   // of one token
  uint32_t chunk_tokens = 0;
};

// Refuses a folder without one file per layer, and one without weights.
axollama::Result<LoadedModel> LoadFolder(const std::filesystem::path& folder);

struct Speeds {
  double decode_tokens_per_s = 0;   // on an empty cache; the median
  double prefill_tokens_per_s = 0;  // of the first chunk; the median
};

axollama::Result<Speeds> Measure(const LoadedModel& loaded, model::Executor& executor);

}  // namespace axsim::probe
