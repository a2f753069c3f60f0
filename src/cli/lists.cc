// `axollama list` and `ps`: one question to the server, printed as Ollama prints it.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/clock.h"
#include "cli/cli_main.h"
#include "cli/command.h"
#include "cli/connection.h"

namespace axollama::cli {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr size_t kIdCharacters = 12;

int64_t SecondsFromNow(const std::string& time) {
  return (ParseTime(time) - WallNs()) / kNsPerSecond;
}

std::string Size(const json::Object& model) {
  return HumanBytes(static_cast<uint64_t>(std::max<int64_t>(0, NumberField(model, "size"))));
}

std::string Id(const json::Object& model) {
  return TextField(model, "digest").substr(0, kIdCharacters);
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

// Without case, as Ollama filters.
bool BeginsWith(const std::string& name, const std::string& prefix) {
  return name.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), name.begin(),
                                                    [](unsigned char a, unsigned char b) {
                                                      return std::tolower(a) == std::tolower(b);
                                                    });
}

std::string Processor(const json::Object& model) {
  const int64_t size = NumberField(model, "size"), on_card = NumberField(model, "size_vram");
  if (on_card <= 0) return "100% CPU";
  if (on_card >= size) return "100% NPU";
  const int64_t cpu_percent = (size - on_card) * 100 / size;
  return fmt::format("{}%/{}% CPU/NPU", cpu_percent, 100 - cpu_percent);
}

void PrintModels(const json::Array& models, bool as_json, const std::vector<std::string>& header,
                 const std::function<std::vector<std::string>(const json::Object&)>& row) {
  if (as_json) {
    fmt::print("{}\n", json::Write(json::Object{{"models", models}}));
    return;
  }
  std::vector<std::vector<std::string>> rows = {header};
  for (const json::Value& item : models) {
    if (item.is_object()) rows.push_back(row(item.get_object()));
  }
  PrintTable(rows);
}

}  // namespace

int ListMain(int argc, char** argv) {
  CLI::App app("Lists the models that the server can run", "axollama list");
  std::string prefix;
  bool as_json = false;
  app.add_option("PREFIX", prefix, "only models whose name begins so");
  app.add_flag("--json", as_json, "as JSON, with all that the server says");
  return WithServer(app, argc, argv, NoServer::kStartOne, [&](Remote& remote) -> Status {
    AX_ASSIGN_OR_RETURN(const json::Array all, Models(remote, "/api/tags"));
    json::Array models;
    for (const json::Value& item : all) {
      if (item.is_object() && BeginsWith(TextField(item.get_object(), "name"), prefix)) {
        models.push_back(item);
      }
    }
    PrintModels(models, as_json, {"NAME", "ID", "SIZE", "MODIFIED"}, [](const json::Object& model) {
      const bool elsewhere = !TextField(model, "remote_model").empty();
      return std::vector<std::string>{TextField(model, "name"), Id(model),
                                      elsewhere ? "-" : Size(model),
                                      HumanTime(SecondsFromNow(TextField(model, "modified_at")))};
    });
    return {};
  });
}

int PsMain(int argc, char** argv) {
  CLI::App app("Lists the models that are loaded", "axollama ps");
  bool as_json = false;
  app.add_flag("--json", as_json, "as JSON, with all that the server says");
  return WithServer(app, argc, argv, NoServer::kFail, [&](Remote& remote) -> Status {
    AX_ASSIGN_OR_RETURN(const json::Array models, Models(remote, "/api/ps"));
    PrintModels(models, as_json, {"NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"},
                [](const json::Object& model) {
                  const int64_t left_s = SecondsFromNow(TextField(model, "expires_at"));
                  return std::vector<std::string>{
                      TextField(model, "name"),
                      Id(model),
                      Size(model),
                      Processor(model),
                      std::to_string(NumberField(model, "context_length")),
                      left_s < 0 ? "Stopping..." : HumanTime(left_s)};
                });
    return {};
  });
}

}  // namespace axollama::cli
