// Which files of a folder make the model, by their names alone (design 5).
//
// Per layer: `{type}_p{C}_l{i}_together.axmodel` and `{type}_post.axmodel` (pulsar2 llm_build).
// Whole stacks: `model_prefill.axmodel` and `model_decode.axmodel`, or `model.axmodel`.
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bundle/bundle.h"
#include "bundle/settings.h"

namespace axollama::bundle {

struct LayerName {
  std::string type;           // "qwen3"
  uint32_t chunk_tokens = 0;  // C
  uint32_t index = 0;         // i
};
std::optional<LayerName> ParseLayerName(std::string_view file_name);

bool IsStackFile(std::string_view file_name);

struct ModelFiles {
  Layout layout = Layout::kLayers;
  std::string model_type;                     // empty: the names do not say
  uint32_t chunk_tokens = 0;                  // 0: the names do not say
  std::vector<std::filesystem::path> layers;  // kLayers: by index, complete
  std::filesystem::path post;                 // kLayers
  std::filesystem::path decode, prefill;      // kSplit; the same file in kSingle
  std::filesystem::path embedding;
  std::vector<std::string> notes;
};

// Refuses an incomplete set, and a folder whose files belong to several layouts or models. Does not
// open the files.
Result<ModelFiles> FindModelFiles(const std::filesystem::path& folder, const Settings& settings);

}  // namespace axollama::bundle
