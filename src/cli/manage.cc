// `axollama cp`, `rm` and `stop`: what happens to models that are there.
#include <fmt/format.h>

#include <vector>

#include "cli/cli_main.h"
#include "cli/command.h"
#include "cli/connection.h"

namespace axollama::cli {

int CpMain(int argc, char** argv) {
  CLI::App app("Gives a model a second name; its files are not copied", "axollama cp");
  std::string source, target;
  app.add_option("SOURCE", source, "name, as of `axollama list`")->required();
  app.add_option("TARGET", target, "the new NAME or NAME:TAG")->required();
  return WithServer(app, argc, argv, NoServer::kStartOne, [&](Remote& remote) -> Status {
    AX_RETURN_IF_ERROR(
        remote.Send("POST", "/api/copy", {{"source", source}, {"destination", target}}));
    fmt::print("copied '{}' to '{}'\n", source, target);
    return {};
  });
}

int RmMain(int argc, char** argv) {
  CLI::App app("Removes models. A folder that was added keeps its files", "axollama rm");
  std::vector<std::string> names;
  app.add_option("MODEL", names, "names, as of `axollama list`")->required();
  return WithServer(app, argc, argv, NoServer::kStartOne, [&](Remote& remote) -> Status {
    for (const std::string& name : names) {
      AX_RETURN_IF_ERROR(remote.Send("DELETE", "/api/delete", {{"model", name}}));
      fmt::print("deleted '{}'\n", name);
    }
    return {};
  });
}

int StopMain(int argc, char** argv) {
  CLI::App app("Takes a model from the card. It stays listed, and is loaded when it is asked",
               "axollama stop");
  std::string name;
  app.add_option("MODEL", name, "name, as of `axollama ps`")->required();
  return WithServer(app, argc, argv, NoServer::kFail, [&](Remote& remote) -> Status {
    AX_RETURN_IF_ERROR(
        remote.Post("/api/generate", {{"model", name}, {"keep_alive", 0}, {"stream", false}}));
    return {};
  });
}

}  // namespace axollama::cli
