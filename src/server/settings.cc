#include "server/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>

#include "base/env.h"
#include "base/json.h"
#include "base/ollama_host.h"
#include "server/config_file.h"
#include "server/setting_table.h"

namespace axollama::server {
namespace {

// A value and where it comes from.
struct Found {
  SettingValues values;
  std::string source;        // "default", "--max-queue", "OLLAMA_MAX_QUEUE", the file's path
  bool environment = false;  // of a variable
};
using FoundSettings = std::map<std::string_view, Found>;

// Bad values of the environment are told and passed over, as Ollama does: a server that does not
// start because of one would be worse.
void Ignored(std::string_view name, std::string_view why) {
  log::Warn("server", "{} is ignored: {}", name, why);
}

// What may set one setting, the strongest first.
std::vector<Found> Candidates(const Setting& setting, const SettingValues* given,
                              const ConfigFile& file) {
  std::vector<Found> out;
  if (given != nullptr) out.push_back({*given, setting.Flag()});
  const std::string own = setting.Environment();
  if (const auto text = GetEnv(own.c_str())) {
    out.push_back({SplitSetting(setting, *text), own, true});
  }
  const std::string ollama(setting.ollama);
  if (const auto text = ollama.empty() ? std::nullopt : GetEnv(ollama.c_str())) {
    out.push_back({SplitSetting(setting, FromOllama(setting, *text)), ollama, true});
  }
  if (const auto found = file.values.find(std::string(setting.name)); found != file.values.end()) {
    out.push_back({found->second, file.path.string()});
  }
  out.push_back({SplitSetting(setting, setting.unset), "default"});
  return out;
}

Status Apply(const Setting& setting, const SettingValues* given, const ConfigFile& file,
             Settings* settings, FoundSettings* found) {
  for (Found& candidate : Candidates(setting, given, file)) {
    const Status set = setting.set(settings, candidate.values);
    if (set) {
      (*found)[setting.name] = std::move(candidate);
      return {};
    }
    if (candidate.environment && !setting.exact) {
      Ignored(candidate.source, set.error().message);
      continue;
    }
    const bool of_file = candidate.source == file.path.string();
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}{}: {}", candidate.source,
                            of_file ? fmt::format(": \"{}\"", setting.name) : std::string(),
                            set.error().message));
  }
  return {};
}

// The prototype's variables, which its users have set.
void ReadPrototypes(Settings* out) {
  out->model_path = GetEnv("AX650_MODEL_PATH").value_or("");
  const auto text = GetEnv("AX650_PORT");
  if (!text) return;
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), port);
  if (error != std::errc() || end != text->data() + text->size()) {
    return Ignored("AX650_PORT",
                   fmt::format("\"{}\" is not a whole number from 0 to 65535", *text));
  }
  const std::string address = fmt::format("127.0.0.1:{}", port);
  const bool twice =
      port != 0 && std::find(out->listen.begin(), out->listen.end(), address) != out->listen.end();
  if (!twice) out->listen.push_back(address);
}

void TellUnused() {
  if (const auto host = GetEnv("OLLAMA_HOST")) {
    const std::string warning = ParseOllamaHost(*host).warning;
    if (!warning.empty()) log::Warn("server", "{}", warning);
  }
  for (const UnusedVariable& unused : UnusedVariables()) {
    const auto text = GetEnv(unused.name);
    if (!text) continue;
    // What it was set to is what happens anyway.
    if (std::string_view(unused.name) == "OLLAMA_NUM_PARALLEL" && (*text == "1" || *text == "0")) {
      continue;
    }
    log::Warn("server", "{} changes nothing here: {}", unused.name, unused.why);
  }
}

void Export(const FoundSettings& found) {
  for (const Setting& setting : SettingTable()) {
    const Found& value = found.at(setting.name);
    if (!setting.exported || value.source == "default" || value.values.front().empty()) continue;
    setenv(setting.Environment().c_str(), value.values.front().c_str(), 1);
  }
}

std::string PrintText(const FoundSettings& found, const ConfigFile& file) {
  std::string out =
      fmt::format("# configuration file: {}\n", file.path.empty() ? "none" : file.path.string());
  for (const Setting& setting : SettingTable()) {
    const Found& value = found.at(setting.name);
    out += fmt::format("{:<18} {:<24} {}\n", setting.name,
                       value.values.empty() ? "" : fmt::format("{}", fmt::join(value.values, " ")),
                       value.source);
  }
  return out;
}

std::string PrintJson(const FoundSettings& found, const ConfigFile& file) {
  json::Object settings;
  for (const Setting& setting : SettingTable()) {
    const Found& value = found.at(setting.name);
    json::Object one;
    if (setting.separator == 0) {
      one["value"] = value.values.front();
    } else {
      json::Array list;
      for (const std::string& part : value.values) list.emplace_back(part);
      one["value"] = std::move(list);
    }
    one["source"] = value.source;
    one["option"] = setting.Flag();
    json::Array variables = {json::Value(setting.Environment())};
    if (!setting.ollama.empty()) variables.emplace_back(setting.ollama);
    one["environment"] = std::move(variables);
    one["help"] = setting.help;
    settings[setting.name] = std::move(one);
  }
  json::Object unused;
  for (const UnusedVariable& variable : UnusedVariables()) unused[variable.name] = variable.why;
  json::Object out;
  out["file"] = file.path.empty() ? json::Value(nullptr) : json::Value(file.path.string());
  out["settings"] = std::move(settings);
  out["unused_environment"] = std::move(unused);
  return json::Write(out) + "\n";
}

std::string HelpOf(const Setting& setting) {
  std::string out(setting.help);
  if (!setting.unset.empty()) out += fmt::format(" (default: {})", setting.unset);
  out += fmt::format(" [{}{}{}]", setting.Environment(), setting.ollama.empty() ? "" : ", ",
                     setting.ollama);
  return out;
}

ParsedSettings Leave(int code, std::string text) {
  ParsedSettings out;
  out.exit_code = code;
  out.text = std::move(text);
  return out;
}

}  // namespace

ParsedSettings ReadSettings(int argc, char** argv) {
  ParsedSettings out;
  Settings& settings = out.settings;
  CLI::App app(
      "Serves models over Ollama's API. Each setting: the option, else the variables in brackets, "
      "the first first, else the key of that name in the configuration file.",
      "axollama serve");
  std::string config;
  bool print = false;
  bool as_json = false;
  std::map<std::string_view, SettingValues> given;
  std::map<std::string_view, CLI::Option*> options;
  for (const Setting& setting : SettingTable()) {
    options[setting.name] = app.add_option(setting.Flag(), given[setting.name], HelpOf(setting))
                                ->allow_extra_args(false)
                                ->type_name("")
                                ->option_text(setting.separator == 0 ? "VALUE" : "VALUE...");
  }
  CLI::Option* config_option =
      app.add_option("--config", config,
                     "configuration file (default: $XDG_CONFIG_HOME/axollama/config.json, else "
                     "/etc/axollama/config.json) [AXOLLAMA_CONFIG]");
  CLI::Option* print_option =
      app.add_flag("--print-config", print, "print every setting with its origin, and leave");
  app.add_flag("--json", as_json, "print them as JSON")->needs(print_option);
  app.add_option("--ready-fd", settings.ready_fd,
                 "descriptor that gets one line per address once they are bound");
  app.add_option("--lifeline-fd", settings.lifeline_fd,
                 "descriptor whose end of file ends the server");
  const auto usage = [](std::string_view what) {
    return Leave(2, fmt::format("error: {}. See axollama serve --help\n", what));
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return error.get_exit_code() == 0 ? Leave(0, app.help()) : usage(error.what());
  }
  const auto file =
      ReadConfigFile(config_option->count() > 0 ? std::optional(config) : std::nullopt);
  if (!file) return Leave(2, fmt::format("error: {}\n", file.error().message));
  FoundSettings found;
  for (const Setting& setting : SettingTable()) {
    const size_t times = options[setting.name]->count();
    if (times > 1 && setting.separator == 0) {
      return usage(fmt::format("{} was given {} times", setting.Flag(), times));
    }
    const Status applied =
        Apply(setting, times > 0 ? &given[setting.name] : nullptr, *file, &settings, &found);
    if (!applied) return Leave(2, fmt::format("error: {}\n", applied.error().message));
  }
  if (print) return Leave(0, as_json ? PrintJson(found, *file) : PrintText(found, *file));
  Export(found);
  log::SetLevel(settings.log_level);
  TellUnused();
  ReadPrototypes(&settings);
  return out;
}

}  // namespace axollama::server
