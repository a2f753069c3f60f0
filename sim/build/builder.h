// From a GGUF file or a Hugging Face folder to a bundle: the folder of .axmodel files that the
// simulated card runs.
//
// Names, tensors, groups and shapes are those of `pulsar2 llm_build`, or of a file that holds all
// layers (Layout); the tokenizer, its settings and the chat template come from the source. OUT
// appears only when complete.
// Threads: Build works with two threads of its own; the callbacks come from them, one at a time.
// Errors: kInvalid for a file that cannot be built, kCancelled after `stop`, kIo for the disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "sim/build/layout.h"
#include "sim/spec/program.h"

namespace axsim::build {

struct BuildOptions {
  std::filesystem::path source;
  std::string geometry;  // of this model (geometry.h) instead of a source's; "": none
  std::filesystem::path out;
  spec::WeightType weights = spec::WeightType::kS8;
  Layout layout = Layout::kLayers;
  uint32_t context_tokens = 2048;               // positions: KV rows + 1
  uint32_t chunk_tokens = 128;                  // rows of a prefill chunk
  std::optional<std::vector<uint32_t>> ladder;  // histories; default: every multiple of the chunk
  bool embedding = false;  // it makes embeddings: the post model ends after the norm
  bool force = false;      // replace an earlier bundle
};

struct BuildReport {
  std::string model_type;
  size_t layers = 0;
  uint64_t parameters = 0;
  uint64_t size_bytes = 0;
  std::vector<uint32_t> ladder;
  double s4_error = 0;  // relative, root of mean squares; 0 without s4
};

using ProgressCallback =
    std::function<void(uint64_t done, uint64_t total)>;  // values, of all files

// The usage errors: sizes out of range, a ladder that does not rise from 0.
axollama::Status CheckOptions(const BuildOptions& options);

axollama::Result<BuildReport> Build(const BuildOptions& options, const std::function<bool()>& stop,
                                    const ProgressCallback& progress);

}  // namespace axsim::build
