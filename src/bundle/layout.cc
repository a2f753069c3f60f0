#include "bundle/layout.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <system_error>
#include <tuple>

namespace axollama::bundle {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTogether = "_together.axmodel";
constexpr std::string_view kPost = "_post.axmodel";
constexpr std::string_view kDefaultEmbedding = "model.embed_tokens.weight.bfloat16.bin";
constexpr uint32_t kMaxLayers = 1024;

// Takes `PREFIX` + decimal digits from the end of `text`.
std::optional<uint32_t> TakeNumber(std::string_view* text, std::string_view prefix) {
  const size_t digits = text->find_last_not_of("0123456789");
  if (digits == std::string_view::npos || digits + 1 == text->size()) return std::nullopt;
  uint32_t value = 0;
  const auto [end, error] =
      std::from_chars(text->data() + digits + 1, text->data() + text->size(), value);
  if (error != std::errc{}) return std::nullopt;
  const std::string_view rest = text->substr(0, digits + 1);
  if (!rest.ends_with(prefix)) return std::nullopt;
  *text = rest.substr(0, rest.size() - prefix.size());
  return value;
}

// One candidate model: its name and chunk, and its layers by index.
using Sets = std::map<std::pair<std::string, uint32_t>, std::map<uint32_t, fs::path>>;

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

// config.json's template picks a set when the folder has several.
Result<Sets::const_iterator> PickSet(const fs::path& folder, const Sets& sets,
                                     const Settings& settings) {
  std::string sample = settings.layer_template;
  if (const size_t at = sample.find("%d"); at != std::string::npos) sample.replace(at, 2, "0");
  if (const auto named = ParseLayerName(sample)) {
    const auto it = sets.find({named->type, named->chunk_tokens});
    if (it != sets.end()) return it;
  }
  if (sets.size() == 1) return sets.begin();
  std::string names;
  for (const auto& [key, layers] : sets) {
    names += fmt::format("{}{}_p{} ({} files)", names.empty() ? "" : ", ", key.first, key.second,
                         layers.size());
  }
  return Bad(
      fmt::format("{} holds the layers of several models: {}: keep one, or name it in "
                  "config.json's \"template_filename_axmodel\"",
                  folder.string(), names));
}

Status CheckComplete(const fs::path& folder, const Sets::value_type& set,
                     const Settings& settings) {
  const auto& [key, layers] = set;
  const uint32_t last = layers.rbegin()->first;
  const uint32_t wanted = std::max(last + 1, settings.layers.value_or(0));
  if (wanted > kMaxLayers) {
    return Bad(fmt::format("{}: {} layers are not believable", folder.string(), wanted));
  }
  std::string missing;
  uint32_t count = 0;
  for (uint32_t i = 0; i < wanted; ++i) {
    if (layers.contains(i)) continue;
    if (++count <= 8) missing += fmt::format("{}{}", missing.empty() ? "" : ", ", i);
  }
  if (count == 0) return {};
  if (count > 8) missing += ", ...";
  const std::string why = settings.layers && *settings.layers > last + 1
                              ? fmt::format("config.json says axmodel_num {}", *settings.layers)
                              : fmt::format("the last one is {}", last);
  return Bad(
      fmt::format("{}: {} of {} layers missing: index {} ({}_p{}_l{{i}}{}; {}): download "
                  "the missing files",
                  folder.string(), count, wanted, missing, key.first, key.second, kTogether, why));
}

Result<fs::path> PickPost(const fs::path& folder, const std::vector<fs::path>& posts,
                          const std::string& type, const Settings& settings) {
  const auto named = [&](const std::string& name) {
    return std::find_if(posts.begin(), posts.end(),
                        [&](const fs::path& path) { return path.filename() == name; });
  };
  auto it = settings.post_name.empty() ? posts.end() : named(settings.post_name);
  if (it == posts.end()) it = named(type + std::string(kPost));
  if (it == posts.end() && posts.size() == 1) it = posts.begin();
  if (it != posts.end()) return *it;
  return Bad(
      fmt::format("{}: the post model {}{} is missing: download it", folder.string(), type, kPost));
}

Result<fs::path> PickEmbedding(const fs::path& folder, const std::vector<fs::path>& tables,
                               const Settings& settings) {
  for (const std::string& name : {settings.embed_name, std::string(kDefaultEmbedding)}) {
    for (const fs::path& path : tables) {
      if (!name.empty() && path.filename() == name) return path;
    }
  }
  if (tables.size() == 1) return tables.front();
  if (tables.empty()) {
    return Bad(
        fmt::format("{} has no embedding table ({} or a .npy): newer pulsar2 llm_build runs "
                    "leave it out: make it from the model's checkpoint",
                    folder.string(), kDefaultEmbedding));
  }
  return Bad(
      fmt::format("{} has {} embedding tables: keep one, or name it in config.json's "
                  "\"filename_tokens_embed\"",
                  folder.string(), tables.size()));
}

}  // namespace

std::optional<LayerName> ParseLayerName(std::string_view name) {
  if (!name.ends_with(kTogether)) return std::nullopt;
  name.remove_suffix(kTogether.size());
  const auto index = TakeNumber(&name, "_l");
  const auto chunk = index ? TakeNumber(&name, "_p") : std::nullopt;
  if (!chunk || *chunk == 0 || *chunk > 65536 || *index >= kMaxLayers || name.empty()) {
    return std::nullopt;
  }
  return LayerName{std::string(name), *chunk, *index};
}

Result<Layout> FindLayout(const fs::path& folder, const Settings& settings) {
  Sets sets;
  std::vector<fs::path> posts, tables;
  bool split = false, single = false;
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) {
    return Fail(
        error == std::errc::no_such_file_or_directory ? ErrorKind::kNotFound : ErrorKind::kIo,
        fmt::format("{}: {}", folder.string(), error.message()));
  }
  for (const auto& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (const auto layer = ParseLayerName(name)) {
      sets[{layer->type, layer->chunk_tokens}][layer->index] = entry.path();
    } else if (name.ends_with(kPost)) {
      posts.push_back(entry.path());
    } else if (name == "model_prefill.axmodel" || name == "model_decode.axmodel") {
      split = true;
    } else if (name == "model.axmodel") {
      single = true;
    } else if (name == settings.embed_name ||
               (name.find("embed") != std::string::npos &&
                (name.ends_with(".bin") || name.ends_with(".npy")))) {
      tables.push_back(entry.path());
    }
  }
  std::sort(posts.begin(), posts.end());
  std::sort(tables.begin(), tables.end());
  if (sets.empty()) {
    if (split || single) {
      return Bad(
          fmt::format("{} is a bundle of the {} layout ({}), which is not supported yet: "
                      "only the per-layer files of pulsar2 llm_build are",
                      folder.string(), split ? "split" : "single",
                      split ? "model_prefill.axmodel + model_decode.axmodel" : "model.axmodel"));
    }
    return Bad(fmt::format("{} is not a model folder: it has no *_p{{C}}_l{{i}}{} files",
                           folder.string(), kTogether));
  }
  AX_ASSIGN_OR_RETURN(const auto set, PickSet(folder, sets, settings));
  AX_RETURN_IF_ERROR(CheckComplete(folder, *set, settings));

  Layout layout;
  std::tie(layout.model_type, layout.chunk_tokens) = set->first;
  for (const auto& [index, path] : set->second) layout.layers.push_back(path);
  if (settings.layers && *settings.layers < layout.layers.size()) {
    layout.notes.push_back(
        fmt::format("config.json says axmodel_num {}, the folder has {} layers: "
                    "all {} are used",
                    *settings.layers, layout.layers.size(), layout.layers.size()));
  }
  AX_ASSIGN_OR_RETURN(layout.post, PickPost(folder, posts, layout.model_type, settings));
  AX_ASSIGN_OR_RETURN(layout.embedding, PickEmbedding(folder, tables, settings));
  return layout;
}

}  // namespace axollama::bundle
