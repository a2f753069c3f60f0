// The models that there are: those in the model roots, and those that were created, copied, linked
// or pulled.
//
//   $AXOLLAMA_HOME/store/manifests/HOST/NAMESPACE/MODEL/TAG   see manifest.h
//   $AXOLLAMA_HOME/store/blobs/sha256-HEX                      texts, uploaded files
//   $AXOLLAMA_HOME/store/bundles/ID/                           model folders that are ours
//   $AXOLLAMA_HOME/store/tmp/                                  what is being written
//   $AXOLLAMA_HOME/store/lock                                  held by whoever changes something
//
// A model of the store goes before one of a root (bundle/roots.h) with the same name. Whatever
// moment a process dies at, every model is as it was before or as it shall be; Tidy removes the
// rest. docs/decisions/model-store.md says why it is so.
// Owner: ServeMain, or a command. Threads: any; the file system is read anew by each call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "store/blobs.h"
#include "store/files.h"
#include "store/manifest.h"
#include "store/name.h"

namespace axollama::store {

struct Message {
  std::string role;  // system, user or assistant
  std::string content;
};

// What a Modelfile adds to a model.
struct Texts {
  std::string system;                      // empty: the bundle's own
  std::optional<std::string> go_template;  // absent: the bundle's own Jinja one
  json::Object parameters;                 // as the `options` of a request
  std::vector<Message> messages;           // go before those of each conversation
  std::vector<std::string> licenses;
  std::string required_version;  // of Ollama; empty: none was asked for
};

struct Model {
  Name name;
  std::filesystem::path folder;  // absolute; List also has models whose folder is gone
  bool stored = false;           // has a manifest
  Texts texts;                   // of a stored one
  std::string parent;            // the model that it was created from, or ""
  std::string digest;            // 64 hex digits, of the manifest that it has or would have
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;  // wall clock
};

struct StoreOptions {
  std::filesystem::path folder;              // of the store
  std::vector<std::filesystem::path> roots;  // bundle::ModelRoots
  std::filesystem::path own_root;            // the root whose folders Delete may remove
  bool prune = true;                         // false: OLLAMA_NOPRUNE
};
// $AXOLLAMA_HOME/store and $AXOLLAMA_HOME/models.
StoreOptions OptionsFor(std::vector<std::filesystem::path> roots);

class Store {
 public:
  using Progress = std::function<void(const std::string& status)>;

  explicit Store(StoreOptions options);

  // Every model, sorted by name. Damaged manifests are passed over and logged.
  std::vector<Model> List() const;
  // By its name, whatever the case, with or without `:local` behind it, else by an alias (alias.h).
  // kNotFound: `model 'x' not found`; kInvalid: `invalid model name`; kForbidden: a model of
  // ollama.com is meant; kIo when its folder is gone or its manifest is damaged.
  Result<Model> Find(std::string_view name) const;
  // By its name only: for what changes a model.
  Result<Model> FindExactly(const Name& name) const;

  // Makes or replaces the model `name`. `folder` is linked, not copied; one below the store's
  // bundles/ (Adopt) belongs to the models that name it. `progress` gets Ollama's words.
  Status Write(const Name& name, const std::filesystem::path& folder, const Texts& texts,
               const std::string& parent, const Progress& progress = {});
  Status Copy(const Model& from, const Name& to);
  // A stored model, also a damaged one: its manifest, and what no other one needs. Of a root: its
  // files, if the root is ours; otherwise kConflict with the reason.
  Status Delete(const Name& name);

  // Moves a finished model folder into bundles/ and returns where it is now.
  Result<std::filesystem::path> Adopt(const std::filesystem::path& folder);
  // A folder to make a model in; gone when the object is.
  Result<WorkFolder> MakeWorkFolder() const;
  const Blobs& blobs() const { return blobs_; }
  // Of a blob whose content is in a model by now: removes it unless a model has it as a text.
  void RemoveUpload(const std::string& digest);

  // At the start of a server: removes what killed processes left, and what no model needs and is
  // older than an hour. Nothing of the latter while a manifest is damaged.
  void Tidy();

 private:
  std::filesystem::path ManifestPath(const Name& name) const { return manifests_ / name.Path(); }
  // The name as its manifest spells it; nothing when there is none.
  std::optional<Name> Spelled(const Name& name) const;
  std::vector<Name> StoredNames() const;
  Result<Manifest> ReadManifest(const Name& name, std::string* digest, int64_t* modified_ns) const;
  Result<Model> Read(const Name& name) const;
  Result<Texts> ReadTexts(const Manifest& manifest) const;
  std::filesystem::path FolderOf(const Manifest& manifest) const;
  Manifest Implied(const std::filesystem::path& folder, int64_t* modified_ns) const;
  std::vector<Model> RootModels() const;
  Result<WriteLock> Lock() const;
  Status Replace(const Name& name, const Manifest& manifest);
  // What the manifests name: digests of texts, and folders. False while one cannot be read.
  bool Needed(std::set<std::string>* digests, std::set<std::string>* folders) const;
  void RemoveUnused(const Manifest& old) const;
  Status DeleteStored(const Name& spelled);
  Status DeleteOfRoot(const Model& model);

  const StoreOptions options_;
  const std::filesystem::path manifests_, bundles_, temporary_;
  const Blobs blobs_;
};

}  // namespace axollama::store
