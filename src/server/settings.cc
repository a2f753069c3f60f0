#include "server/settings.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "api/keep_alive.h"
#include "base/env.h"
#include "base/log.h"
#include "base/ollama_host.h"

namespace axollama::server {
namespace {

// Bad values of the environment are told and passed over, as Ollama does: a server that does not
// start because of one would be worse.
void Ignored(const char* name, const std::string& value, const std::string& why) {
  log::Warn("server", "{}=\"{}\" is ignored: {}", name, value, why);
}

std::optional<int64_t> WholeNumber(const char* name, int64_t low, int64_t high) {
  const auto text = GetEnv(name);
  if (!text) return std::nullopt;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number < low || number > high) {
    Ignored(name, *text, fmt::format("not a whole number from {} to {}", low, high));
    return std::nullopt;
  }
  return number;
}

std::optional<int64_t> Duration(const char* name) {
  const auto text = GetEnv(name);
  if (!text) return std::nullopt;
  const auto value = api::ParseKeepAliveText(*text);
  if (!value) {
    Ignored(name, *text, value.error().message);
    return std::nullopt;
  }
  return *value;
}

// Of a limit: longer than a year is no limit that anybody meets.
std::chrono::milliseconds Limit(int64_t ns) {
  constexpr int64_t kYearMs = 365LL * 86'400'000;
  return std::chrono::milliseconds(std::min(ns / 1'000'000, kYearMs));
}

std::string ReadEnvironment(Settings* out) {
  out->keep_alive_ns = Duration("OLLAMA_KEEP_ALIVE").value_or(api::kKeepAliveDefaultNs);
  if (const auto ns = Duration("AXOLLAMA_STALL_TIMEOUT"); ns && *ns > 0) {
    out->stall_limit = Limit(*ns);
  }
  if (const auto ns = Duration("OLLAMA_LOAD_TIMEOUT"); ns && *ns > 0) out->load_limit = Limit(*ns);
  if (const auto queue = WholeNumber("OLLAMA_MAX_QUEUE", 1, 1'000'000)) {
    out->max_queue = static_cast<size_t>(*queue);
  }
  const auto policy = ParseRebootPolicy(GetEnv("AXOLLAMA_REBOOT").value_or(""));
  if (!policy) return policy.error().message;  // whether a card may be rebooted is not guessed
  out->reboot = *policy;
  out->origins = GetEnv("OLLAMA_ORIGINS").value_or("");
  out->model_path = GetEnv("AX650_MODEL_PATH").value_or("");
  if (out->listen.empty()) {
    const OllamaHost host = OllamaHostFromEnv();
    if (!host.warning.empty()) log::Warn("server", "{}", host.warning);
    out->listen.push_back(host.ListenAddress());
  }
  if (const auto port = WholeNumber("AX650_PORT", 0, 65535)) {
    const std::string address = fmt::format("127.0.0.1:{}", *port);
    const bool twice = *port != 0 && std::find(out->listen.begin(), out->listen.end(), address) !=
                                         out->listen.end();
    if (!twice) out->listen.push_back(address);
  }
  return "";
}

}  // namespace

ParsedSettings ReadSettings(int argc, char** argv) {
  ParsedSettings out;
  Settings& settings = out.settings;
  CLI::App app("Serves models over Ollama's API.", "axollama serve");
  int64_t device_id = -1;
  app.add_option("--listen", settings.listen,
                 "HOST:PORT to listen on, repeatable (default: OLLAMA_HOST, 127.0.0.1:11434)")
      ->allow_extra_args(false);
  app.add_option("--models", settings.models,
                 "folder of models, repeatable (default: AXOLLAMA_MODELS, else "
                 "$AXOLLAMA_HOME/models)")
      ->allow_extra_args(false);
  app.add_option("--device", settings.device,
                 "axcl (a card), axengine (the SoC itself) or sim (default: as each model says)")
      ->check(CLI::IsMember({"axcl", "axengine", "sim"}));
  CLI::Option* id = app.add_option("--device-id", device_id, "card (default: the first)");
  app.add_option("--ready-fd", settings.ready_fd,
                 "descriptor that gets one line per address once they are bound");
  app.add_option("--lifeline-fd", settings.lifeline_fd,
                 "descriptor whose end of file ends the server");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      out.exit_code = 0;
      out.text = app.help();
    } else {
      out.exit_code = 2;
      out.text = fmt::format("error: {}. See axollama serve --help\n", error.what());
    }
    return out;
  }
  if (id->count() > 0) settings.device_id = device_id;
  if (const std::string error = ReadEnvironment(&settings); !error.empty()) {
    out.exit_code = 2;
    out.text = "error: " + error + "\n";
  }
  return out;
}

}  // namespace axollama::server
