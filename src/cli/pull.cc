// `axollama pull`: the server brings a model; this shows how far it is.

#include "cli/cli_main.h"
#include "cli/command.h"
#include "cli/connection.h"
#include "cli/stream_progress.h"

namespace axollama::cli {

int PullMain(int argc, char** argv) {
  CLI::App app("Brings a model from the Hugging Face hub. Begun anew, it goes on where it stopped",
               "axollama pull");
  std::string name;
  bool insecure = false, as_json = false;
  app.add_option("MODEL", name, "a name of `axollama catalog`, or hf.co/ORG/REPO")->required();
  app.add_flag("--insecure", insecure, "also over plain http");
  app.add_flag("--json", as_json, "the server's lines as they are, on standard output");
  return WithServer(app, argc, argv, NoServer::kStartOne, [&](Remote& remote) {
    json::Object body{{"model", name}};
    if (insecure) body["insecure"] = true;
    return StreamProgress(remote, "/api/pull", body, as_json);
  });
}

}  // namespace axollama::cli
