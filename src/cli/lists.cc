// `axollama list`, `ps` and `show`: one question to the server, printed as Ollama prints it.
#include <fmt/format.h>

#include "base/clock.h"
#include "cli/cli_main.h"
#include "cli/command.h"
#include "cli/remote.h"
#include "cli/signals.h"

namespace axollama::cli {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

std::string Text(const json::Object& object, std::string_view key) {
  return json::GetString(object, key, "").value_or("");
}

int64_t Number(const json::Object& object, std::string_view key) {
  return json::GetInt(object, key, 0).value_or(0);
}

int64_t SecondsFromNow(const std::string& time) {
  return (ParseTime(time) - WallNs()) / kNsPerSecond;
}

Result<json::Array> Models(Remote& remote, std::string_view path) {
  AX_ASSIGN_OR_RETURN(const json::Object answer, remote.Get(path));
  const json::Value* models = json::Find(answer, "models");
  if (models == nullptr || !models->is_array()) {
    return Fail(ErrorKind::kInternal, fmt::format("{} is no Ollama server: its {} has no models",
                                                  remote.address(), path));
  }
  return models->get_array();
}

Status List(Remote& remote) {
  AX_ASSIGN_OR_RETURN(const json::Array models, Models(remote, "/api/tags"));
  std::vector<std::vector<std::string>> rows = {{"NAME", "ID", "SIZE", "MODIFIED"}};
  for (const json::Value& item : models) {
    if (!item.is_object()) continue;
    const json::Object& model = item.get_object();
    rows.push_back({Text(model, "name"), Text(model, "digest").substr(0, 12),
                    HumanBytes(static_cast<uint64_t>(Number(model, "size"))),
                    HumanTime(SecondsFromNow(Text(model, "modified_at")))});
  }
  PrintTable(rows);
  return {};
}

Status Ps(Remote& remote) {
  AX_ASSIGN_OR_RETURN(const json::Array models, Models(remote, "/api/ps"));
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"}};
  for (const json::Value& item : models) {
    if (!item.is_object()) continue;
    const json::Object& model = item.get_object();
    const int64_t left_s = SecondsFromNow(Text(model, "expires_at"));
    rows.push_back({Text(model, "name"), Text(model, "digest").substr(0, 12),
                    HumanBytes(static_cast<uint64_t>(Number(model, "size"))), "100% NPU",
                    std::to_string(Number(model, "context_length")),
                    left_s < 0 ? "Stopping..." : HumanTime(left_s)});
  }
  PrintTable(rows);
  return {};
}

void PrintSection(const char* title, const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return;
  fmt::print("  {}\n", title);
  for (const auto& row : rows) fmt::print("    {:<20}{}\n", row[0], row.size() > 1 ? row[1] : "");
  fmt::print("\n");
}

Status Show(Remote& remote, const std::string& name) {
  AX_ASSIGN_OR_RETURN(const json::Object answer, remote.Post("/api/show", {{"model", name}}));
  std::vector<std::vector<std::string>> model;
  if (const json::Value* info = json::Find(answer, "model_info"); info && info->is_object()) {
    const std::string architecture = Text(info->get_object(), "general.architecture");
    const auto add = [&](const char* title, const std::string& key) {
      const int64_t value = Number(info->get_object(), key);
      if (value != 0) model.push_back({title, std::to_string(value)});
    };
    if (!architecture.empty()) model.push_back({"architecture", architecture});
    add("parameters", "general.parameter_count");
    add("context length", architecture + ".context_length");
    add("embedding length", architecture + ".embedding_length");
  }
  if (const json::Value* details = json::Find(answer, "details"); details && details->is_object()) {
    const std::string quantization = Text(details->get_object(), "quantization_level");
    if (!quantization.empty()) model.push_back({"quantization", quantization});
  }
  PrintSection("Model", model);
  std::vector<std::vector<std::string>> capabilities;
  if (const json::Value* list = json::Find(answer, "capabilities"); list && list->is_array()) {
    for (const json::Value& item : list->get_array()) {
      if (item.is_string()) capabilities.push_back({std::string(json::View(item.get_string()))});
    }
  }
  PrintSection("Capabilities", capabilities);
  const std::string system = Text(answer, "system");
  if (!system.empty()) fmt::print("  System\n    {}\n\n", system);
  return {};
}

// Parses, connects, and runs `command`.
template <typename Command>
int WithRemote(CLI::App& app, int argc, char** argv, Command command) {
  int exit_code = 0;
  if (!ParseOrExit(app, argc, argv, &exit_code)) return exit_code;
  Signals signals;
  auto remote = Remote::FromEnvironment();
  if (!remote) return Report(remote.error());
  signals.OnInterrupt([&] { (*remote)->Interrupt(); });
  const Status done = command(**remote);
  signals.OnInterrupt(nullptr);
  return done ? 0 : Report(done.error());
}

}  // namespace

int ListMain(int argc, char** argv) {
  CLI::App app("Lists the models that the server can run", "axollama list");
  return WithRemote(app, argc, argv, List);
}

int PsMain(int argc, char** argv) {
  CLI::App app("Lists the models that are loaded", "axollama ps");
  return WithRemote(app, argc, argv, Ps);
}

int ShowMain(int argc, char** argv) {
  CLI::App app("Shows what a model is", "axollama show");
  std::string name;
  app.add_option("MODEL", name, "name, as of `axollama list`")->required();
  return WithRemote(app, argc, argv, [&](Remote& remote) { return Show(remote, name); });
}

}  // namespace axollama::cli
