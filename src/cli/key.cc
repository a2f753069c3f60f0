// `axollama key add|list|rm`: who may use a server of this user from elsewhere.
#include <fmt/format.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/cli_main.h"
#include "cli/command.h"
#include "keys/keys.h"

namespace axollama::cli {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

Status AddKey(const std::string& name, const std::vector<std::string>& scopes) {
  unsigned bits = 0;
  for (const std::string& scope : scopes) {
    AX_ASSIGN_OR_RETURN(const unsigned more, keys::ParseScopes(scope));
    bits |= more;
  }
  if (bits == 0) bits = keys::kInference;
  AX_ASSIGN_OR_RETURN(const std::string secret, keys::Add(keys::DefaultPath(), name, bits));
  fmt::print("{}\n", secret);
  fmt::print(stderr,
             "This is the only time that the key is shown. Clients send it as `Authorization: "
             "Bearer KEY`; scope: {}.\n",
             keys::FormatScopes(bits));
  return {};
}

Status ListKeys(bool as_json) {
  AX_ASSIGN_OR_RETURN(const std::vector<keys::Key> keys, keys::Read(keys::DefaultPath()));
  if (as_json) {
    json::Array list;
    for (const keys::Key& key : keys) {
      list.push_back(json::Object{{"name", key.name},
                                  {"scopes", keys::FormatScopes(key.scopes)},
                                  {"created", key.created_s}});
    }
    fmt::print("{}\n", json::Write(json::Object{{"keys", std::move(list)}}));
    return {};
  }
  std::vector<std::vector<std::string>> rows = {{"NAME", "SCOPES", "CREATED"}};
  for (const keys::Key& key : keys) {
    rows.push_back({key.name, keys::FormatScopes(key.scopes),
                    HumanTime(key.created_s - WallNs() / kNsPerSecond)});
  }
  PrintTable(rows);
  return {};
}

}  // namespace

int KeyMain(int argc, char** argv) {
  CLI::App app(
      "Makes, lists and removes API keys of servers that use this AXOLLAMA_HOME. A running server "
      "heeds each change at once",
      "axollama key");
  std::string name;
  std::vector<std::string> scopes;
  bool as_json = false;
  app.require_subcommand(1);
  CLI::App* add = app.add_subcommand("add", "make a key and print it");
  add->add_option("NAME", name, "what to call it")->required();
  add->add_option("--scope", scopes,
                  "inference, manage, metrics or all; repeatable (default: inference)")
      ->allow_extra_args(false);
  CLI::App* list = app.add_subcommand("list", "list the keys; the keys themselves are not kept");
  list->add_flag("--json", as_json, "as JSON");
  CLI::App* rm = app.add_subcommand("rm", "remove a key");
  rm->add_option("NAME", name, "its name")->required();
  int exit_code = 0;
  if (!ParseOrExit(app, argc, argv, &exit_code)) return exit_code;
  Status done;
  if (add->parsed()) {
    done = AddKey(name, scopes);
  } else if (list->parsed()) {
    done = ListKeys(as_json);
  } else {
    done = keys::Remove(keys::DefaultPath(), name);
  }
  return done ? 0 : Report(done.error());
}

}  // namespace axollama::cli
