// `axollama show`: what is known of a model, or one of its texts.
#include <fmt/format.h>

#include "cli/cli_main.h"
#include "cli/command.h"
#include "cli/connection.h"
#include "cli/show_text.h"

namespace axollama::cli {
namespace {

constexpr const char* kTexts[] = {"license", "modelfile", "parameters", "system", "template"};

}  // namespace

int ShowMain(int argc, char** argv) {
  CLI::App app("Shows what a model is, or one of its texts", "axollama show");
  std::string name;
  bool as_json = false, verbose = false;
  bool wanted[std::size(kTexts)] = {};
  app.add_option("MODEL", name, "name, as of `axollama list`")->required();
  CLI::Option_group* one = app.add_option_group("one of", "which text to print");
  for (size_t i = 0; i < std::size(kTexts); ++i) {
    one->add_flag(fmt::format("--{}", kTexts[i]), wanted[i],
                  fmt::format("only the model's {}", kTexts[i]));
  }
  one->add_flag("--json", as_json, "as JSON, with all that the server says");
  one->require_option(0, 1);
  app.add_flag("-v,--verbose", verbose, "everything, with no text cut short");
  return WithServer(app, argc, argv, NoServer::kStartOne, [&](Remote& remote) -> Status {
    AX_ASSIGN_OR_RETURN(const json::Object answer,
                        remote.Post("/api/show", {{"model", name}, {"verbose", verbose}}));
    if (as_json) {
      fmt::print("{}\n", json::Write(answer));
      return {};
    }
    for (size_t i = 0; i < std::size(kTexts); ++i) {
      if (!wanted[i]) continue;
      fmt::print("{}\n", TextField(answer, kTexts[i]));
      return {};
    }
    fmt::print("{}", ShowText(answer, verbose));
    return {};
  });
}

}  // namespace axollama::cli
