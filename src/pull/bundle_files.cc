#include "pull/bundle_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "bundle/layout.h"

namespace axollama::pull {
namespace {

constexpr size_t kMaxWanted = 4096;
// Chips whose compiled files an AX650 or AX8850 does not run.
constexpr std::string_view kOtherChips[] = {"ax615", "ax620", "ax630", "ax637"};
constexpr std::string_view kSettings[] = {
    "config.json",           "generation_config.json",
    "post_config.json",      "chat_template.jinja",
    "tokenizer_config.json", "special_tokens_map.json",
    "tokenizer.json",        "LICENSE",
    "LICENSE.txt",           "LICENSE.md",
};
constexpr std::string_view kOfTokenizer[] = {
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
};

template <typename List>
bool IsOneOf(std::string_view name, const List& list) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}
std::string BaseOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool OtherChip(const std::string& path) {
  const std::string lower = Lower(path);
  return std::any_of(std::begin(kOtherChips), std::end(kOtherChips),
                     [&](std::string_view chip) { return lower.find(chip) != std::string::npos; });
}

bool IsModelFile(std::string_view name) {
  return bundle::ParseLayerName(name) || name.ends_with("_post.axmodel") ||
         bundle::IsStackFile(name);
}
bool IsEmbedding(std::string_view name) {
  return name.find("embed") != std::string_view::npos &&
         (name.ends_with(".bin") || name.ends_with(".npy"));
}
bool IsVendorTokenizer(const std::string& name) {
  return name.ends_with(".txt") && Lower(name).find("tokenizer") != std::string::npos;
}

using Folders = std::map<std::string, std::vector<const HubFile*>>;

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorKind::kInvalid, std::move(message));
}

Result<std::string> ChooseVariant(const HubRepo& repo, const Folders& folders,
                                  const std::string& tag) {
  std::vector<std::string> variants;
  bool other_chip = false;
  for (const auto& [folder, files] : folders) {
    const bool model = std::any_of(files.begin(), files.end(), [](const HubFile* file) {
      return IsModelFile(BaseOf(file->path));
    });
    if (!model) continue;
    if (OtherChip(folder + "/" + BaseOf(files.front()->path))) {
      other_chip = true;
    } else {
      variants.push_back(folder);
    }
  }
  if (variants.empty()) {
    return Bad(fmt::format("{} {}", repo.repo,
                           other_chip ? "holds models of other chips only"
                                      : "holds no model that was compiled for the card"));
  }
  const auto shown = [&](const std::string& folder) {
    return folder.empty() ? std::string("latest") : BaseOf(folder);
  };
  std::vector<std::string> names;
  for (const std::string& variant : variants) names.push_back(shown(variant));
  if (tag == "latest") {
    if (variants.size() == 1 || variants.front().empty()) return variants.front();
    return Bad(fmt::format("{} holds several models: {}: choose one, as in {}:{}", repo.repo,
                           fmt::join(names, ", "), repo.repo, names.front()));
  }
  std::vector<std::string> like;
  for (size_t i = 0; i < variants.size(); ++i) {
    if (Lower(names[i]) == Lower(tag)) return variants[i];
    if (Lower(names[i]).find(Lower(tag)) != std::string::npos) like.push_back(variants[i]);
  }
  if (like.size() == 1) return like.front();
  return Bad(fmt::format("{} holds {} model \"{}\": there {} {}", repo.repo,
                         like.empty() ? "no" : "more than one", tag,
                         names.size() == 1 ? "is" : "are", fmt::join(names, ", ")));
}

// Refuses a set that bundle::Open would refuse, before gigabytes of it are downloaded.
Result<std::string> CheckModelFiles(const HubRepo& repo, const std::string& variant,
                                    const std::vector<const HubFile*>& files) {
  std::map<std::string, std::set<uint32_t>> sets;
  bool post = false, stack = false;
  std::string type;
  for (const HubFile* file : files) {
    const std::string name = BaseOf(file->path);
    if (const auto layer = bundle::ParseLayerName(name)) {
      type = layer->type;
      sets[fmt::format("{}_p{}", layer->type, layer->chunk_tokens)].insert(layer->index);
    }
    post = post || name.ends_with("_post.axmodel");
    stack = stack || bundle::IsStackFile(name);
  }
  const std::string where = variant.empty() ? repo.repo : repo.repo + "/" + variant;
  if (sets.empty() && stack) return type;
  if (sets.size() > 1) {
    std::vector<std::string> names;
    for (const auto& [name, layers] : sets) names.push_back(name);
    return Bad(fmt::format("{} holds the layers of several models in one folder: {}", where,
                           fmt::join(names, ", ")));
  }
  if (sets.empty() || !post) {
    return Bad(fmt::format("{} is incomplete: it has no {} files", where,
                           post ? "*_together.axmodel" : "*_post.axmodel"));
  }
  const std::set<uint32_t>& layers = sets.begin()->second;
  if (layers.size() != *layers.rbegin() + size_t{1}) {
    return Bad(fmt::format("{} is incomplete: it has {} layers, and one with the index {}", where,
                           layers.size(), *layers.rbegin()));
  }
  return type;
}

size_t CommonPrefix(const std::string& a, const std::string& b) {
  const auto [end, ignored] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(end - a.begin());
}

class Chooser {
 public:
  Chooser(const HubRepo& repo, std::string variant) : repo_(repo), variant_(std::move(variant)) {}

  void Take(const HubFile& file, const std::string& local) {
    chosen_.emplace(local, WantedFile{file, local});  // the first of a name counts
  }

  void TakeSettings(const std::vector<const HubFile*>& files) {
    for (const HubFile* file : files) {
      const std::string name = BaseOf(file->path);
      if (IsOneOf(name, kSettings) || IsVendorTokenizer(name)) Take(*file, name);
    }
  }

  bool HasTokenizer() const {
    return std::any_of(chosen_.begin(), chosen_.end(), [](const auto& entry) {
      return BaseOf(entry.first) == "tokenizer.json" || IsVendorTokenizer(entry.first);
    });
  }

  // From the folder whose name is most like the model's: some repositories hold two.
  void TakeTokenizerFolder(const Folders& folders, const std::string& type) {
    const std::string model = Lower(BaseOf(repo_.repo));
    const std::vector<const HubFile*>* best = nullptr;
    size_t best_likeness = 0;
    for (const auto& [folder, files] : folders) {
      const bool has = std::any_of(files.begin(), files.end(), [](const HubFile* file) {
        return BaseOf(file->path) == "tokenizer.json";
      });
      if (!has) continue;
      const std::string name = Lower(BaseOf(folder));
      const size_t likeness = 1 +
                              std::max(CommonPrefix(name, Lower(type)), CommonPrefix(name, model)) +
                              (folder.rfind(variant_ + "/", 0) == 0 ? 1000 : 0);
      if (likeness > best_likeness) {
        best_likeness = likeness;
        best = &files;
      }
    }
    if (best == nullptr) return;
    for (const HubFile* file : *best) {
      const std::string name = BaseOf(file->path);
      if (IsOneOf(name, kOfTokenizer)) Take(*file, "tokenizer/" + name);
    }
  }

  Result<BundleFiles> Finish() {
    BundleFiles out;
    out.variant = variant_;
    if (chosen_.size() > kMaxWanted) {
      return Bad(fmt::format("{} has more than {} files for one model", repo_.repo, kMaxWanted));
    }
    for (auto& [local, wanted] : chosen_) {
      out.size_bytes += wanted.remote.size_bytes;
      out.files.push_back(std::move(wanted));
    }
    return out;
  }

 private:
  const HubRepo& repo_;
  const std::string variant_;
  std::map<std::string, WantedFile> chosen_;
};

}  // namespace

Result<BundleFiles> ChooseBundle(const HubRepo& repo, const std::string& tag) {
  Folders folders;
  for (const HubFile& file : repo.files) folders[FolderOf(file.path)].push_back(&file);
  AX_ASSIGN_OR_RETURN(const std::string variant, ChooseVariant(repo, folders, tag));
  const std::vector<const HubFile*>& own = folders[variant];
  AX_ASSIGN_OR_RETURN(const std::string type, CheckModelFiles(repo, variant, own));
  Chooser chooser(repo, variant);
  bool embedding = false;
  for (const HubFile* file : own) {
    const std::string name = BaseOf(file->path);
    if (!IsModelFile(name) && !IsEmbedding(name)) continue;
    embedding = embedding || IsEmbedding(name);
    chooser.Take(*file, name);
  }
  for (const HubFile* file : folders[""]) {
    const std::string name = BaseOf(file->path);
    if (embedding || !IsEmbedding(name)) continue;
    embedding = true;
    chooser.Take(*file, name);
  }
  if (!embedding) {
    return Bad(fmt::format("{} has no embedding table (model.embed_tokens.weight.bfloat16.bin)",
                           repo.repo));
  }
  chooser.TakeSettings(own);
  chooser.TakeSettings(folders[""]);
  if (!chooser.HasTokenizer()) chooser.TakeTokenizerFolder(folders, type);
  if (!chooser.HasTokenizer()) {
    return Bad(fmt::format("{} has no tokenizer: neither a tokenizer.json nor a *_tokenizer.txt",
                           repo.repo));
  }
  return chooser.Finish();
}

}  // namespace axollama::pull
