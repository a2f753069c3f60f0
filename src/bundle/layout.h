// Which files of a folder make a per-layer model, by their names alone.
//
// `{type}_p{C}_l{i}_together.axmodel` and `{type}_post.axmodel` (pulsar2 llm_build).
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bundle/settings.h"

namespace axollama::bundle {

struct LayerName {
  std::string type;           // "qwen3"
  uint32_t chunk_tokens = 0;  // C
  uint32_t index = 0;         // i
};
std::optional<LayerName> ParseLayerName(std::string_view file_name);

struct Layout {
  std::string model_type;
  uint32_t chunk_tokens = 0;
  std::vector<std::filesystem::path> layers;  // by index, complete
  std::filesystem::path post;
  std::filesystem::path embedding;
  std::vector<std::string> notes;
};

// Refuses other layouts by name, an incomplete set, and a folder whose files belong to several
// models. Does not open the files.
Result<Layout> FindLayout(const std::filesystem::path& folder, const Settings& settings);

}  // namespace axollama::bundle
