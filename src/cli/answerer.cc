#include "cli/answerer.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>

#include "bundle/roots.h"
#include "store/store.h"

namespace axollama::cli {
namespace {

bool Lists(const json::Object& tags, std::string_view model) {
  const json::Value* models = json::Find(tags, "models");
  if (models == nullptr || !models->is_array()) return false;
  for (const json::Value& item : models->get_array()) {
    if (!item.is_object()) continue;
    const auto name = json::GetString(item.get_object(), "name", "");
    if (name && SameModel(*name, model)) return true;
  }
  return false;
}

// A name may have a '/' too: it is one unless it looks like a path, or is one that is there.
bool IsFolder(const std::string& model) {
  if (model.find('/') == std::string::npos) return false;
  if (model.starts_with('/') || model.starts_with('.') || model.ends_with('/')) return true;
  std::error_code error;
  return std::filesystem::is_directory(model, error);
}

Result<Answerer> OwnAnswerer(const RunOptions& options) {
  Answerer answerer;
  std::string root;
  answerer.model = options.model;
  if (IsFolder(options.model)) {
    // A folder: it becomes a model called like it, in the root that is its parent.
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::canonical(options.model, error);
    if (error) {
      return Fail(ErrorKind::kNotFound,
                  fmt::format("no model folder {}: {}", options.model, error.message()));
    }
    root = folder.parent_path().string();
    answerer.model = folder.filename().string() + ":latest";
  } else {
    // Said before a server is started, which would only say it later.
    const store::Store models(store::OptionsFor(bundle::ModelRoots({})));
    AX_RETURN_IF_ERROR(models.Find(options.model));
  }
  AX_ASSIGN_OR_RETURN(answerer.own, OwnServer::Start(root, options.device));
  answerer.remote = std::make_unique<Remote>(answerer.own->address());
  return answerer;
}

}  // namespace

Result<Answerer> FindAnswerer(const RunOptions& options) {
  if (options.own_server || IsFolder(options.model)) return OwnAnswerer(options);
  Answerer answerer;
  answerer.model = options.model;
  AX_ASSIGN_OR_RETURN(answerer.remote, Remote::FromEnvironment());
  const auto tags = answerer.remote->Get("/api/tags");
  if (tags && Lists(*tags, options.model)) return answerer;
  // It may know the model by an alias.
  if (tags && answerer.remote->Post("/api/show", {{"model", options.model}})) return answerer;
  fmt::print(stderr, "{} {}: starting a server for this command\n",
             tags ? fmt::format("the server at {} does not list", answerer.remote->address())
                  : fmt::format("no server answers at {} for", answerer.remote->address()),
             options.model);
  return OwnAnswerer(options);
}

}  // namespace axollama::cli
