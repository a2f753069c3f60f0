// Store: what changes the models.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <set>
#include <system_error>

#include "base/log.h"
#include "bundle/bundle.h"
#include "bundle/roots.h"
#include "store/store.h"

namespace axollama::store {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kLockPatience{30'000};

struct Text {
  std::string_view type;
  std::string content;
};

std::vector<Text> TextsToWrite(const Texts& texts) {
  std::vector<Text> out;
  if (texts.go_template) out.push_back({kTemplateType, *texts.go_template});
  if (!texts.system.empty()) out.push_back({kSystemType, texts.system});
  if (!texts.parameters.empty()) out.push_back({kParametersType, json::Write(texts.parameters)});
  if (!texts.messages.empty()) {
    json::Array list;
    for (const Message& message : texts.messages) {
      list.push_back(json::Object{{"role", message.role}, {"content", message.content}});
    }
    out.push_back({kMessagesType, json::Write(list)});
  }
  for (const std::string& license : texts.licenses) out.push_back({kLicenseType, license});
  if (!texts.required_version.empty()) out.push_back({kRequiresType, texts.required_version});
  return out;
}

// Links resolved. Asked under the lock: before, it could still be removed.
Result<fs::path> ModelFolder(const fs::path& folder) {
  std::error_code error;
  fs::path real = fs::canonical(folder, error);
  if (!error && bundle::LooksLikeBundle(real)) return real;
  return Fail(ErrorKind::kNotFound,
              fmt::format("{} is no model folder: no .axmodel files are in it", folder.string()));
}

bool IsInside(const fs::path& path, const fs::path& folder) {
  const std::string inside = path.lexically_relative(folder).string();
  return !inside.empty() && inside != "." && inside.rfind("..", 0) != 0;
}

}  // namespace

Result<WriteLock> Store::Lock() const {
  AX_RETURN_IF_ERROR(MakeFolder(options_.folder));
  AX_RETURN_IF_ERROR(MakeFolder(temporary_));
  return WriteLock::Take(options_.folder / "lock", kLockPatience);
}

Result<WorkFolder> Store::MakeWorkFolder() const {
  AX_RETURN_IF_ERROR(MakeFolder(temporary_));
  return WorkFolder::Make(temporary_);
}

// Under the lock. What only the manifest before needed goes with it.
Status Store::Replace(const Name& name, const Manifest& manifest) {
  const Name target = Spelled(name).value_or(name);
  std::string digest;
  int64_t modified_ns = 0;
  const auto old = ReadManifest(target, &digest, &modified_ns);
  const fs::path path = ManifestPath(target);
  const std::string text = WriteManifest(manifest);
  if (const auto again = ParseManifest(text); !again || again->from != manifest.from) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("the path {} cannot be written down: rename the folder", manifest.from));
  }
  std::error_code error;
  if (fs::is_directory(path, error)) {
    return Fail(ErrorKind::kConflict,
                fmt::format("{} is a folder, where a manifest belongs", path.string()));
  }
  AX_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
  AX_RETURN_IF_ERROR(WriteThrough(temporary_, path, text));
  if (old) RemoveUnused(*old);
  return {};
}

Status Store::Write(const Name& name, const fs::path& folder, const Texts& texts,
                    const std::string& parent, const Progress& progress) {
  const auto say = [&](const std::string& status) {
    if (progress) progress(status);
  };
  AX_ASSIGN_OR_RETURN(const WriteLock lock, Lock());
  AX_ASSIGN_OR_RETURN(const fs::path real, ModelFolder(folder));
  int64_t modified_ns = 0;
  Manifest manifest = Implied(real, &modified_ns);
  manifest.parent = parent;
  for (const Text& text : TextsToWrite(texts)) {
    if (text.content.size() > kMaxTextBytes) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("a text of the model has {} bytes, more than the {} allowed",
                              text.content.size(), kMaxTextBytes));
    }
    bool is_new = false;
    AX_ASSIGN_OR_RETURN(std::string digest, blobs_.Put(text.content, &is_new));
    say(fmt::format("{} layer sha256:{}", is_new ? "creating new" : "using existing", digest));
    manifest.texts.push_back({std::string(text.type), std::move(digest), text.content.size()});
  }
  say("writing manifest");
  return Replace(name, manifest);
}

Status Store::Copy(const Model& from, const Name& to) {
  if (from.name.Key() == to.Key()) return {};
  AX_ASSIGN_OR_RETURN(const WriteLock lock, Lock());
  if (!from.stored) {
    AX_ASSIGN_OR_RETURN(const fs::path folder, ModelFolder(from.folder));
    int64_t modified_ns = 0;
    return Replace(to, Implied(folder, &modified_ns));
  }
  std::string digest;
  int64_t modified_ns = 0;
  AX_ASSIGN_OR_RETURN(const Manifest manifest, ReadManifest(from.name, &digest, &modified_ns));
  return Replace(to, manifest);
}

bool Store::Needed(std::set<std::string>* digests, std::set<std::string>* folders) const {
  for (const Name& name : StoredNames()) {
    std::string digest;
    int64_t modified_ns = 0;
    const auto manifest = ReadManifest(name, &digest, &modified_ns);
    if (!manifest) {
      log::Warn("store", "nothing is removed while a manifest is damaged: {}",
                manifest.error().message);
      return false;
    }
    folders->insert(FolderOf(*manifest).string());
    for (const Layer& layer : manifest->texts) digests->insert(layer.digest);
  }
  return true;
}

// Under the lock: blobs and folders of `old` that no manifest names any more.
void Store::RemoveUnused(const Manifest& old) const {
  std::set<std::string> digests, folders;
  if (!options_.prune || !Needed(&digests, &folders)) return;
  for (const Layer& layer : old.texts) {
    if (!digests.contains(layer.digest)) blobs_.Remove(layer.digest);
  }
  const fs::path folder = FolderOf(old);
  if (folders.contains(folder.string()) || !IsInside(folder, bundles_)) return;
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

void Store::RemoveUpload(const std::string& digest) {
  const auto lock = Lock();
  std::set<std::string> digests, folders;
  if (lock && Needed(&digests, &folders) && !digests.contains(digest)) blobs_.Remove(digest);
}

Status Store::Delete(const Name& name) {
  if (Spelled(name)) {
    AX_ASSIGN_OR_RETURN(const WriteLock lock, Lock());
    if (const auto spelled = Spelled(name)) return DeleteStored(*spelled);
  }
  AX_ASSIGN_OR_RETURN(const Model model, FindExactly(name));
  AX_ASSIGN_OR_RETURN(const WriteLock lock, Lock());
  return DeleteOfRoot(model);
}

// Under the lock.
Status Store::DeleteStored(const Name& spelled) {
  std::string digest;
  int64_t modified_ns = 0;
  const auto manifest = ReadManifest(spelled, &digest, &modified_ns);
  fs::path path = ManifestPath(spelled);
  std::error_code error;
  if (!fs::remove(path, error)) {
    return Fail(ErrorKind::kIo,
                fmt::format("cannot remove {}: {}", path.string(), error.message()));
  }
  AX_RETURN_IF_ERROR(SyncFolder(path.parent_path()));
  // Folders of names that nobody has any more; those with something in them stay.
  for (path = path.parent_path(); path != manifests_; path = path.parent_path()) {
    if (!fs::remove(path, error)) break;
  }
  if (manifest) RemoveUnused(*manifest);
  return {};
}

// Under the lock.
Status Store::DeleteOfRoot(const Model& model) {
  std::error_code error;
  const fs::path own = fs::canonical(options_.own_root, error);
  if (error || !IsInside(model.folder, own)) {
    return Fail(ErrorKind::kConflict,
                fmt::format("model '{}' lies in {}, which is not axollama's own folder: remove it "
                            "there yourself",
                            model.name.Short(), model.folder.string()));
  }
  for (const Name& name : StoredNames()) {
    std::string digest;
    int64_t modified_ns = 0;
    const auto manifest = ReadManifest(name, &digest, &modified_ns);
    if (manifest && FolderOf(*manifest) == model.folder) {
      return Fail(ErrorKind::kConflict,
                  fmt::format("model '{}' has the files of {} too: remove {} first",
                              model.name.Short(), name.Short(), name.Short()));
    }
  }
  AX_RETURN_IF_ERROR(bundle::RemoveFiles(model.folder));
  fs::remove(model.folder.parent_path(), error);  // NAME/ of the last NAME/TAG/
  return {};
}

Result<fs::path> Store::Adopt(const fs::path& folder) {
  AX_ASSIGN_OR_RETURN(const WriteLock lock, Lock());
  AX_RETURN_IF_ERROR(MakeFolder(bundles_));
  const bundle::FolderFacts facts = bundle::LookAtFolder(folder);
  const fs::path target = bundles_ / facts.digest.substr(0, 16);
  std::error_code error;
  // Nobody's yet, however old its files are: Tidy leaves it for an hour.
  utimensat(AT_FDCWD, folder.c_str(), nullptr, 0);
  // The same files once more, of a try whose manifest could not be written.
  if (fs::is_directory(target, error) && bundle::LookAtFolder(target).digest == facts.digest) {
    utimensat(AT_FDCWD, target.c_str(), nullptr, 0);
    fs::remove_all(folder, error);
    return target;
  }
  fs::rename(folder, target, error);
  if (error) {
    return Fail(ErrorKind::kIo, fmt::format("cannot move {} to {}: {}", folder.string(),
                                            target.string(), error.message()));
  }
  AX_RETURN_IF_ERROR(SyncFolder(bundles_));
  return target;
}

void Store::Tidy() {
  std::error_code error;
  if (!fs::is_directory(options_.folder, error)) return;
  const auto lock = Lock();
  if (!lock) {
    log::Warn("store", "not tidied: {}", lock.error().message);
    return;
  }
  RemoveLeftovers(temporary_);
  if (!options_.prune) return;
  std::set<std::string> digests, places;
  if (!Needed(&digests, &places)) return;
  blobs_.Prune([&](const std::string& digest) { return digests.contains(digest); });
  std::vector<fs::path> folders;
  for (fs::directory_iterator it(bundles_, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    folders.push_back(it->path());
  }
  for (const fs::path& folder : folders) {
    if (places.contains(folder.string()) || !OlderThanAnHour(folder)) continue;
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
}

}  // namespace axollama::store
