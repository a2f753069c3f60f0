// `axollama embed`: texts as vectors.
#include <fmt/format.h>

#include <vector>

#include "cli/cli_main.h"
#include "cli/command.h"
#include "cli/connection.h"
#include "cli/input.h"
#include "cli/vectors.h"

namespace axollama::cli {
namespace {

constexpr size_t kMaxStdinBytes = 16u << 20;

}  // namespace

int EmbedMain(int argc, char** argv) {
  CLI::App app("Prints the embedding of each text, a JSON array a line", "axollama embed");
  std::string model, keep_alive;
  std::vector<std::string> texts;
  int64_t dimensions = 0;
  bool as_json = false;
  app.add_option("MODEL", model, "a model with the capability `embedding`")->required();
  app.add_option("TEXT", texts, "the texts; without one, standard input is one");
  CLI::Option* cut = app.add_option("--dimensions", dimensions, "the length to cut vectors to")
                         ->check(CLI::Range(1, 1 << 20));
  app.add_option("--keepalive", keep_alive, "how long the model stays loaded (5m, -1, 0)");
  app.add_flag("--json", as_json, "as JSON, with all that the server says");
  int exit_code = 0;
  if (!ParseOrExit(app, argc, argv, &exit_code)) return exit_code;
  Signals signals;
  if (texts.empty()) {
    auto text = Input(signals).ReadAll(kMaxStdinBytes);
    if (!text) return Report(text.error());
    texts.push_back(*std::move(text));
  }
  json::Array input;
  for (const std::string& text : texts) input.push_back(json::Value(text));
  json::Object body{{"model", model}, {"input", std::move(input)}};
  if (*cut) body["dimensions"] = dimensions;
  if (!keep_alive.empty()) body["keep_alive"] = KeepAliveValue(keep_alive);
  return WithServer(signals, NoServer::kStartOne,
                    [&](Remote& remote) { return PrintVectors(remote, body, as_json); });
}

}  // namespace axollama::cli
