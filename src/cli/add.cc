// `axollama add`: a model folder gets a name. With or without a server, which sees it at once.
#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "bundle/bundle.h"
#include "bundle/roots.h"
#include "cli/cli_main.h"
#include "cli/command.h"
#include "store/store.h"

namespace axollama::cli {
namespace {

Status Add(const std::filesystem::path& folder, const std::string& text) {
  AX_ASSIGN_OR_RETURN(const store::Name name, store::ParseName(text));
  AX_ASSIGN_OR_RETURN(const bundle::Bundle bundle, bundle::Open(folder));
  store::Store models(store::OptionsFor(bundle::ModelRoots({})));
  if (models.FindExactly(name)) {
    return Fail(ErrorKind::kConflict,
                fmt::format("there is a model {} already: choose another name, or remove it first",
                            name.Short()));
  }
  AX_RETURN_IF_ERROR(models.Write(name, folder, {}, ""));
  fmt::print("{}: {}, {}\n", name.Short(), bundle.model_type, HumanBytes(bundle.size_bytes));
  return {};
}

}  // namespace

int AddMain(int argc, char** argv) {
  CLI::App app("Gives a model folder a name. The folder stays where it is and is not copied",
               "axollama add");
  std::string folder, name;
  app.add_option("FOLDER", folder, "the model's folder")->required();
  app.add_option("NAME", name, "NAME or NAME:TAG")->required();
  int exit_code = 0;
  if (!ParseOrExit(app, argc, argv, &exit_code)) return exit_code;
  const Status done = Add(folder, name);
  return done ? 0 : Report(done.error());
}

}  // namespace axollama::cli
