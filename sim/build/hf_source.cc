#include "sim/build/hf_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <system_error>

#include "sim/build/hf_config.h"
#include "sim/build/hf_tokenizer.h"

namespace axsim::build {
namespace {

namespace fs = std::filesystem;
namespace json = axollama::json;
using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;

constexpr char kIndex[] = "model.safetensors.index.json";
constexpr char kSingle[] = "model.safetensors";

auto Bad(const fs::path& folder, std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("{} {}", folder.string(), what));
}

bool IsThere(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// Old checkpoints of Llama hold the angles of RoPE, which follow from the settings.
bool IsSpare(std::string_view tensor) { return tensor.ends_with(".rotary_emb.inv_freq"); }

}  // namespace

Status HfSource::AddFile(const std::string& name) {
  AX_ASSIGN_OR_RETURN(Safetensors file, Safetensors::Open(folder_ / name));
  for (const Tensor& tensor : file.tensors()) {
    if (!tensors_.emplace(tensor.name, tensor).second) {
      return Bad(folder_, fmt::format("has the tensor \"{}\" twice", tensor.name));
    }
  }
  files_.push_back(std::move(file));
  return {};
}

Status HfSource::AddShards() {
  AX_ASSIGN_OR_RETURN(const SettingsJson index, SettingsJson::Read(folder_ / kIndex));
  AX_ASSIGN_OR_RETURN(const SettingsJson map, index.Inner("weight_map"));
  std::set<std::string> shards;
  for (const auto& item : map.object()) {
    const json::String* name = item.value().if_string();
    if (!name) return map.Bad("holds other values than file names");
    const std::string shard(json::View(*name));
    // The name goes into errors: printable, and no way out of the folder.
    const bool plain =
        shard.ends_with(".safetensors") && shard.size() <= 255 &&
        shard.find('/') == std::string::npos &&
        std::all_of(shard.begin(), shard.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (!plain) return map.Bad("names a file that is no .safetensors file beside it");
    shards.insert(shard);
  }
  for (const std::string& shard : shards) {
    if (!IsThere(folder_ / shard)) {
      return index.Bad(fmt::format("names {}, which is missing: download it too", shard));
    }
    AX_RETURN_IF_ERROR(AddFile(shard));
  }
  for (const auto& item : map.object()) {
    const std::string_view name(item.key().data(), item.key().size());
    if (!FindTensor(name)) {
      return index.Bad(
          fmt::format("names the tensor \"{}\", which no file has: download the files "
                      "again",
                      name.substr(0, 80)));
    }
  }
  return {};
}

Result<HfSource> HfSource::Open(const fs::path& folder) {
  if (!IsThere(folder / "config.json")) {
    return Bad(folder,
               "is a folder without config.json: give a GGUF file or a Hugging Face folder");
  }
  AX_ASSIGN_OR_RETURN(SettingsJson config, SettingsJson::Read(folder / "config.json"));
  HfSource source(folder, std::move(config));
  // What cannot be built is said before files of many gigabytes are looked for.
  AX_RETURN_IF_ERROR(FactsOfConfig(source.config_, [](std::string_view) { return false; }));
  if (IsThere(folder / kSingle)) {
    AX_RETURN_IF_ERROR(source.AddFile(kSingle));
  } else if (IsThere(folder / kIndex)) {
    AX_RETURN_IF_ERROR(source.AddShards());
  } else {
    return Bad(folder, fmt::format("has neither {} nor {}: other forms of weights are not read",
                                   kSingle, kIndex));
  }
  return source;
}

Result<ModelFacts> HfSource::Facts() const {
  AX_ASSIGN_OR_RETURN(ModelFacts facts, FactsOfConfig(config_, [this](std::string_view name) {
                        return FindTensor(name) != nullptr;
                      }));
  std::error_code error;
  const fs::path absolute = fs::absolute(folder_, error).lexically_normal();
  facts.name = (absolute.has_filename() ? absolute : absolute.parent_path()).filename().string();
  for (const auto& [name, tensor] : tensors_) {
    if (IsSpare(name)) facts.spare.emplace(name);
  }
  return facts;
}

Result<TokenizerFiles> HfSource::Tokenizer(uint32_t vocab) const {
  return TokenizerOfFolder(folder_, config_, vocab);
}

}  // namespace axsim::build
