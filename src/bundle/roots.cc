#include "bundle/roots.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <system_error>

#include "base/env.h"
#include "bundle/bundle.h"

namespace axollama::bundle {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxPart = 80;

bool ValidPart(std::string_view part) {
  if (part.empty() || part.size() > kMaxPart || part.front() == '.' || part.front() == '-') {
    return false;
  }
  return std::all_of(part.begin(), part.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
  });
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// A full name without the host and the namespace that Ollama takes for granted.
std::string_view WithoutDefaults(std::string_view name) {
  for (const std::string_view prefix : {"registry.ollama.ai/library/", "library/"}) {
    if (Lower(name.substr(0, prefix.size())) == prefix) return name.substr(prefix.size());
  }
  return name;
}

// `folder` with its links resolved, if it then still lies below `root` (itself resolved).
std::optional<fs::path> Inside(const fs::path& root, const fs::path& folder) {
  std::error_code error;
  fs::path real = fs::canonical(folder, error);
  if (error || !fs::is_directory(real, error) || error) return std::nullopt;
  const auto [end_of_root, rest] =
      std::mismatch(root.begin(), root.end(), real.begin(), real.end());
  if (end_of_root != root.end() || rest == real.end()) return std::nullopt;
  return real;
}

// Names of the folders in `folder` that may be names or tags, sorted.
std::vector<std::string> ValidEntries(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code ignored;
    std::string name = entry->path().filename().string();
    if (ValidPart(name) && entry->is_directory(ignored)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::vector<fs::path> ModelRoots(const std::vector<std::string>& from_command_line) {
  std::vector<fs::path> roots;
  for (const std::string& root : from_command_line) {
    if (!root.empty()) roots.emplace_back(root);
  }
  if (!roots.empty()) return roots;
  if (const std::optional<std::string> list = GetEnv("AXOLLAMA_MODELS")) {
    size_t begin = 0;
    while (begin <= list->size()) {
      const size_t end = std::min(list->find(':', begin), list->size());
      if (end > begin) roots.emplace_back(list->substr(begin, end - begin));
      begin = end + 1;
    }
  }
  if (roots.empty()) roots.push_back(HomeDir() / "models");
  return roots;
}

std::vector<ModelRef> ListModels(const std::vector<fs::path>& roots) {
  std::vector<ModelRef> models;
  std::set<std::string> seen;
  auto add = [&](const fs::path& root, const fs::path& folder, std::string name) {
    const std::optional<fs::path> real = Inside(root, folder);
    if (!real || !LooksLikeBundle(*real) || !seen.insert(Lower(name)).second) return;
    models.push_back({std::move(name), *real});
  };
  for (const fs::path& given : roots) {
    std::error_code error;
    const fs::path root = fs::canonical(given, error);
    if (error) continue;
    for (const std::string& name : ValidEntries(root)) {
      const fs::path folder = root / name;
      if (!Inside(root, folder)) continue;
      add(root, folder, name + ":latest");
      for (const std::string& tag : ValidEntries(folder)) {
        add(root, folder / tag, name + ":" + tag);
      }
    }
  }
  std::sort(models.begin(), models.end(),
            [](const ModelRef& a, const ModelRef& b) { return a.name < b.name; });
  return models;
}

Result<ModelRef> FindModel(const std::vector<fs::path>& roots, std::string_view name) {
  const std::string_view own = WithoutDefaults(name);
  const size_t colon = own.find(':');
  const std::string_view base = own.substr(0, colon);
  const std::string_view tag =
      colon == std::string_view::npos ? std::string_view("latest") : own.substr(colon + 1);
  if (ValidPart(base) && ValidPart(tag)) {
    const std::string wanted = Lower(base) + ":" + Lower(tag);
    for (ModelRef& model : ListModels(roots)) {
      if (Lower(model.name) == wanted) return std::move(model);
    }
  }
  return Fail(ErrorKind::kNotFound, "model '" + std::string(name) + "' not found");
}

Result<ModelRef> ModelOfFolder(const std::vector<fs::path>& roots, std::string_view path) {
  std::error_code error;
  const fs::path folder = fs::canonical(fs::path(path), error);
  if (error || !fs::is_directory(folder, error)) {
    return Fail(ErrorKind::kNotFound,
                "no folder " + std::string(path) + ": give a model folder, or a name without '/'");
  }
  for (ModelRef& model : ListModels(roots)) {
    if (model.folder == folder) return std::move(model);
  }
  return ModelRef{folder.filename().string(), folder};
}

}  // namespace axollama::bundle
