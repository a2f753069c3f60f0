#include "store/store.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <system_error>

#include "base/env.h"
#include "base/file.h"
#include "base/log.h"
#include "bundle/bundle.h"
#include "bundle/roots.h"
#include "store/alias.h"

namespace axollama::store {
namespace {

namespace fs = std::filesystem;

// Names in `folder`, sorted; what is a link is passed over.
std::vector<std::string> Entries(const fs::path& folder, fs::file_type type) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::error_code ignored;
    if (it->symlink_status(ignored).type() == type) names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Error NotFound(std::string_view name) {
  return {ErrorKind::kNotFound, fmt::format("model '{}' not found", name)};
}

// [{"role","content"}...]
Result<std::vector<Message>> ParseMessages(std::string_view text) {
  AX_ASSIGN_OR_RETURN(const json::Value value, json::Parse(text));
  if (!value.is_array()) return Fail(ErrorKind::kInvalid, "the stored messages are no list");
  std::vector<Message> messages;
  for (const json::Value& one : value.get_array()) {
    if (!one.is_object()) return Fail(ErrorKind::kInvalid, "a stored message is no object");
    Message message;
    AX_ASSIGN_OR_RETURN(message.role, json::GetString(one.get_object(), "role", ""));
    AX_ASSIGN_OR_RETURN(message.content, json::GetString(one.get_object(), "content", ""));
    messages.push_back(std::move(message));
  }
  return messages;
}

// Links resolved, so that folders below it can be recognised.
StoreOptions Resolved(StoreOptions options) {
  std::error_code error;
  fs::path real = fs::weakly_canonical(options.folder, error);
  if (!error) options.folder = std::move(real);
  return options;
}

}  // namespace

StoreOptions OptionsFor(std::vector<fs::path> roots) {
  return {.folder = HomeDir() / "store",
          .roots = std::move(roots),
          .own_root = HomeDir() / "models",
          .prune = !IsEnvOn("OLLAMA_NOPRUNE")};
}

Store::Store(StoreOptions options)
    : options_(Resolved(std::move(options))),
      manifests_(options_.folder / "manifests"),
      bundles_(options_.folder / "bundles"),
      temporary_(options_.folder / "tmp"),
      blobs_(options_.folder / "blobs", temporary_) {}

std::vector<Name> Store::StoredNames() const {
  std::vector<Name> names;
  constexpr auto kFolder = fs::file_type::directory;
  for (const std::string& host : Entries(manifests_, kFolder)) {
    for (const std::string& space : Entries(manifests_ / host, kFolder)) {
      for (const std::string& model : Entries(manifests_ / host / space, kFolder)) {
        const fs::path folder = manifests_ / host / space / model;
        for (const std::string& tag : Entries(folder, fs::file_type::regular)) {
          if (auto name = Name::FromParts(host, space, model, tag)) {
            names.push_back(*std::move(name));
          }
        }
      }
    }
  }
  return names;
}

std::optional<Name> Store::Spelled(const Name& name) const {
  std::error_code error;
  if (fs::symlink_status(ManifestPath(name), error).type() == fs::file_type::regular) return name;
  const std::string key = name.Key();
  for (Name& stored : StoredNames()) {
    if (stored.Key() == key) return std::move(stored);
  }
  return std::nullopt;
}

Result<Manifest> Store::ReadManifest(const Name& name, std::string* digest,
                                     int64_t* modified_ns) const {
  const fs::path path = ManifestPath(name);
  struct stat facts;
  const bool there = lstat(path.c_str(), &facts) == 0;
  auto text = ReadFile(path, kMaxManifestBytes);
  if (!text) {
    if (text.error().kind == ErrorKind::kNotFound) return Fail(NotFound(name.Short()));
    return Fail(text.error());
  }
  auto manifest = ParseManifest(*text);
  if (!manifest) {
    return Fail(ErrorKind::kIo, fmt::format("{}: {}: create or pull {} again", path.string(),
                                            manifest.error().message, name.Short()));
  }
  *digest = Sha256Hex(*text);
  *modified_ns = there ? facts.st_mtim.tv_sec * int64_t{1'000'000'000} + facts.st_mtim.tv_nsec : 0;
  return manifest;
}

Result<Texts> Store::ReadTexts(const Manifest& manifest) const {
  Texts texts;
  for (const Layer& layer : manifest.texts) {
    AX_ASSIGN_OR_RETURN(std::string text, blobs_.Read(layer.digest));
    if (layer.type == kSystemType) {
      texts.system = std::move(text);
    } else if (layer.type == kTemplateType) {
      texts.go_template = std::move(text);
    } else if (layer.type == kLicenseType) {
      texts.licenses.push_back(std::move(text));
    } else if (layer.type == kRequiresType) {
      texts.required_version = std::move(text);
    } else if (layer.type == kParametersType) {
      AX_ASSIGN_OR_RETURN(texts.parameters, json::ParseObject(text, "the stored parameters"));
    } else if (layer.type == kMessagesType) {
      AX_ASSIGN_OR_RETURN(texts.messages, ParseMessages(text));
    }
  }
  return texts;
}

fs::path Store::FolderOf(const Manifest& manifest) const {
  return options_.folder / manifest.from;  // an absolute `from` stands alone
}

Result<Model> Store::Read(const Name& name) const {
  Model model;
  model.name = name;
  model.stored = true;
  AX_ASSIGN_OR_RETURN(const Manifest manifest,
                      ReadManifest(name, &model.digest, &model.modified_ns));
  model.folder = FolderOf(manifest);
  model.parent = manifest.parent;
  model.size_bytes = manifest.bundle.size_bytes;
  for (const Layer& layer : manifest.texts) model.size_bytes += layer.size_bytes;
  auto texts = ReadTexts(manifest);
  if (!texts) {
    return Fail(ErrorKind::kIo, fmt::format("model '{}': {}", name.Short(), texts.error().message));
  }
  model.texts = *std::move(texts);
  return model;
}

Manifest Store::Implied(const fs::path& folder, int64_t* modified_ns) const {
  const bundle::FolderFacts facts = bundle::LookAtFolder(folder);
  Manifest manifest;
  manifest.bundle = {std::string(kBundleType), facts.digest, facts.size_bytes};
  const std::string inside = folder.lexically_relative(bundles_).string();
  const bool ours = !inside.empty() && inside != "." && inside.rfind("..", 0) != 0;
  manifest.from = ours ? "bundles/" + inside : folder.string();
  *modified_ns = facts.modified_ns;
  return manifest;
}

std::vector<Model> Store::RootModels() const {
  std::vector<Model> models;
  for (const bundle::ModelRef& ref : bundle::ListModels(options_.roots)) {
    auto name = Name::Parse(ref.name);
    if (!name) continue;
    Model model;
    model.name = *std::move(name);
    model.folder = ref.folder;
    models.push_back(std::move(model));
  }
  return models;
}

std::vector<Model> Store::List() const {
  std::vector<Model> models;
  std::set<std::string> keys;
  for (const Name& name : StoredNames()) {
    auto model = Read(name);
    if (!model) {
      log::Warn("store", "{} is not listed: {}", name.Short(), model.error().message);
    } else if (keys.insert(name.Key()).second) {
      models.push_back(*std::move(model));
    }
  }
  for (Model& model : RootModels()) {
    if (!keys.insert(model.name.Key()).second) continue;
    const Manifest implied = Implied(model.folder, &model.modified_ns);
    model.digest = Sha256Hex(WriteManifest(implied));
    model.size_bytes = implied.bundle.size_bytes;
    models.push_back(std::move(model));
  }
  std::sort(models.begin(), models.end(),
            [](const Model& a, const Model& b) { return a.name.Short() < b.name.Short(); });
  return models;
}

Result<Model> Store::FindExactly(const Name& name) const {
  if (const auto spelled = Spelled(name)) {
    AX_ASSIGN_OR_RETURN(Model model, Read(*spelled));
    return model;
  }
  const std::string key = name.Key();
  for (Model& model : RootModels()) {
    if (model.name.Key() != key) continue;
    const Manifest implied = Implied(model.folder, &model.modified_ns);
    model.digest = Sha256Hex(WriteManifest(implied));
    model.size_bytes = implied.bundle.size_bytes;
    return std::move(model);
  }
  return Fail(NotFound(name.Short()));
}

Result<Model> Store::Find(std::string_view text) const {
  if (text.empty()) return Fail(NotFound(text));
  AX_ASSIGN_OR_RETURN(const Reference reference, ParseReference(text));
  AX_ASSIGN_OR_RETURN(const Name name, ParseName(reference.name));
  const auto absent = [](const Result<Model>& model) {
    return !model && model.error().kind == ErrorKind::kNotFound;
  };
  // "local" and "cloud" may be the tags of models that are here.
  const std::optional<Name> as_written = Name::Parse(text);
  auto model = as_written ? FindExactly(*as_written) : Result<Model>(Fail(NotFound(text)));
  if (absent(model) && reference.source == Reference::Source::kCloud) {
    return Fail(ErrorKind::kForbidden, "ollama cloud is disabled: remote model is unavailable");
  }
  if (absent(model) && reference.source == Reference::Source::kLocal) model = FindExactly(name);
  if (absent(model)) {
    std::vector<Name> there = StoredNames();
    for (Model& root : RootModels()) there.push_back(std::move(root.name));
    const auto match = MatchAlias(name, there);
    if (!match) return Fail(NotFound(text));
    model = FindExactly(there[*match]);
  }
  if (!model) return model;
  std::error_code error;
  if (!fs::is_directory(model->folder, error)) {
    return Fail(ErrorKind::kIo,
                fmt::format("model '{}' is gone: its folder {} is not there any more. Bring it "
                            "back, or remove the model: axollama rm {}",
                            text, model->folder.string(), text));
  }
  return model;
}

}  // namespace axollama::store
