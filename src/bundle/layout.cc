#include "bundle/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

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
constexpr std::string_view kPrefillFile = "model_prefill.axmodel";
constexpr std::string_view kDecodeFile = "model_decode.axmodel";
constexpr std::string_view kSingleFile = "model.axmodel";
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

// What a folder holds that may belong to a model.
struct Found {
  Sets sets;
  std::vector<fs::path> posts, tables;     // sorted
  std::map<std::string, fs::path> stacks;  // by name
};

Result<Found> ListFolder(const fs::path& folder, const Settings& settings) {
  Found found;
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
      found.sets[{layer->type, layer->chunk_tokens}][layer->index] = entry.path();
    } else if (name.ends_with(kPost)) {
      found.posts.push_back(entry.path());
    } else if (IsStackFile(name)) {
      found.stacks[name] = entry.path();
    } else if (name == settings.embed_name ||
               (name.find("embed") != std::string::npos &&
                (name.ends_with(".bin") || name.ends_with(".npy")))) {
      found.tables.push_back(entry.path());
    }
  }
  std::sort(found.posts.begin(), found.posts.end());
  std::sort(found.tables.begin(), found.tables.end());
  return found;
}

Status CheckOneLayout(const fs::path& folder, const Found& found) {
  std::vector<std::string> layouts;
  if (!found.sets.empty() || !found.posts.empty()) {
    layouts.push_back(
        fmt::format("the per-layer one (*{})", found.sets.empty() ? kPost : kTogether));
  }
  const bool split = found.stacks.contains(std::string(kPrefillFile)) ||
                     found.stacks.contains(std::string(kDecodeFile));
  if (split) layouts.push_back("the split one (model_prefill.axmodel, model_decode.axmodel)");
  if (found.stacks.contains(std::string(kSingleFile))) {
    layouts.push_back("the single one (model.axmodel)");
  }
  if (layouts.size() > 1) {
    return Bad(fmt::format("{} holds files of several layouts: {}: keep those of one",
                           folder.string(), fmt::join(layouts, " and ")));
  }
  if (found.sets.empty() && found.stacks.empty()) {
    return Bad(
        fmt::format("{} is not a model folder: it has no *_p{{C}}_l{{i}}{} files, no {} "
                    "with {}, and no {}",
                    folder.string(), kTogether, kPrefillFile, kDecodeFile, kSingleFile));
  }
  return {};
}

Status TakeStacks(const fs::path& folder, const Found& found, ModelFiles* files) {
  const auto take = [&](std::string_view name) -> Result<fs::path> {
    const auto it = found.stacks.find(std::string(name));
    if (it != found.stacks.end()) return it->second;
    return Bad(fmt::format("{}: {} is missing: the split layout needs {} and {}: download it",
                           folder.string(), name, kPrefillFile, kDecodeFile));
  };
  if (const auto single = found.stacks.find(std::string(kSingleFile));
      single != found.stacks.end()) {
    files->layout = Layout::kSingle;
    files->decode = files->prefill = single->second;
    return {};
  }
  files->layout = Layout::kSplit;
  AX_ASSIGN_OR_RETURN(files->decode, take(kDecodeFile));
  AX_ASSIGN_OR_RETURN(files->prefill, take(kPrefillFile));
  return {};
}

Status TakeLayers(const fs::path& folder, const Found& found, const Settings& settings,
                  ModelFiles* files) {
  AX_ASSIGN_OR_RETURN(const auto set, PickSet(folder, found.sets, settings));
  AX_RETURN_IF_ERROR(CheckComplete(folder, *set, settings));
  std::tie(files->model_type, files->chunk_tokens) = set->first;
  for (const auto& [index, path] : set->second) files->layers.push_back(path);
  if (settings.layers && *settings.layers < files->layers.size()) {
    files->notes.push_back(
        fmt::format("config.json says axmodel_num {}, the folder has {} layers: "
                    "all {} are used",
                    *settings.layers, files->layers.size(), files->layers.size()));
  }
  AX_ASSIGN_OR_RETURN(files->post, PickPost(folder, found.posts, files->model_type, settings));
  return {};
}

}  // namespace

std::string_view LayoutName(Layout layout) {
  switch (layout) {
    case Layout::kLayers:
      return "per-layer";
    case Layout::kSplit:
      return "split";
    case Layout::kSingle:
      return "single";
  }
  return "unknown";
}

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

bool IsStackFile(std::string_view name) {
  return name == kPrefillFile || name == kDecodeFile || name == kSingleFile;
}

Result<ModelFiles> FindModelFiles(const fs::path& folder, const Settings& settings) {
  AX_ASSIGN_OR_RETURN(const Found found, ListFolder(folder, settings));
  AX_RETURN_IF_ERROR(CheckOneLayout(folder, found));
  ModelFiles files;
  if (!found.stacks.empty()) {
    AX_RETURN_IF_ERROR(TakeStacks(folder, found, &files));
  } else {
    AX_RETURN_IF_ERROR(TakeLayers(folder, found, settings, &files));
  }
  AX_ASSIGN_OR_RETURN(files.embedding, PickEmbedding(folder, found.tables, settings));
  return files;
}

}  // namespace axollama::bundle
