#include "server/setting_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "api/keep_alive.h"
#include "base/ollama_host.h"
#include "upstream/url.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;

tl::unexpected<Error> Bad(std::string why) { return Fail(ErrorKind::kInvalid, std::move(why)); }

Result<int64_t> WholeNumber(std::string_view text, int64_t low, int64_t high) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < low || number > high) {
    return Bad(fmt::format("\"{}\" is not a whole number from {} to {}", text, low, high));
  }
  return number;
}

Result<size_t> Count(std::string_view text, int64_t low) {
  AX_ASSIGN_OR_RETURN(const int64_t number, WholeNumber(text, low, 1'000'000));
  return static_cast<size_t>(number);
}

// Longer is no limit that anybody meets.
constexpr milliseconds kYear = std::chrono::hours(365 * 24);

Result<milliseconds> Limit(std::string_view text, int64_t least_ns) {
  AX_ASSIGN_OR_RETURN(const int64_t ns, api::ParseKeepAliveText(text));
  if (ns < least_ns) return Bad(fmt::format("\"{}\" is too short", text));
  return std::min(milliseconds(ns / 1'000'000), kYear);
}

Status SetDevice(Settings* out, const SettingValues& values) {
  const std::string& text = values.front();
  if (text != "" && text != "axcl" && text != "axengine" && text != "sim") {
    return Bad(fmt::format("\"{}\" is none of axcl, axengine and sim", text));
  }
  out->device = text;
  return {};
}

Status SetLog(Settings* out, const SettingValues& values) {
  constexpr std::pair<std::string_view, log::Level> kLevels[] = {
      {"trace", log::Level::kTrace}, {"debug", log::Level::kDebug}, {"info", log::Level::kInfo},
      {"warn", log::Level::kWarn},   {"error", log::Level::kError}, {"off", log::Level::kOff}};
  for (const auto& [name, level] : kLevels) {
    if (values.front() != name) continue;
    out->log_level = level;
    return {};
  }
  return Bad(
      fmt::format("\"{}\" is none of trace, debug, info, warn, error and off", values.front()));
}

Status OnlyExported(Settings*, const SettingValues&) { return {}; }

constexpr int64_t kMs = 1'000'000;

const Setting kTable[] = {
    {.name = "listen",
     .ollama = "OLLAMA_HOST",
     .unset = "127.0.0.1:11434",
     .help = "HOST:PORT to listen on, repeatable",
     .separator = ',',
     .exact = true,
     .set = [](Settings* out, const SettingValues& values) -> Status {
       if (values.empty()) return Bad("there must be an address");
       out->listen = values;
       return {};
     }},
    {.name = "models",
     .help = "folder of models, repeatable (default: $AXOLLAMA_HOME/models)",
     .separator = ':',
     .set = [](Settings* out, const SettingValues& values) -> Status {
       out->models = values;
       return {};
     }},
    {.name = "device",
     .help = "axcl (a card), axengine (the SoC itself) or sim (default: as each model says)",
     .exact = true,
     .set = SetDevice},
    {.name = "device_id",
     .help = "which card (default: the first)",
     .exact = true,
     .set = [](Settings* out, const SettingValues& values) -> Status {
       if (values.front().empty()) return {};
       AX_ASSIGN_OR_RETURN(out->device_id, WholeNumber(values.front(), 0, 65'535));
       return {};
     }},
    {.name = "keep_alive",
     .ollama = "OLLAMA_KEEP_ALIVE",
     .unset = "5m",
     .help = "how long a model stays loaded after its last request; negative: for ever",
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(out->keep_alive_ns, api::ParseKeepAliveText(values.front()));
       return {};
     }},
    {.name = "pinned",
     .help = "model that is loaded at start and never unloaded, repeatable",
     .separator = ',',
     .set = [](Settings* out, const SettingValues& values) -> Status {
       out->pinned = values;
       return {};
     }},
    {.name = "max_loaded_models",
     .ollama = "OLLAMA_MAX_LOADED_MODELS",
     .unset = "0",
     .help = "how many models may be loaded at once; 0: as many as fit",
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(out->max_loaded_models, Count(values.front(), 0));
       return {};
     }},
    {.name = "max_queue",
     .ollama = "OLLAMA_MAX_QUEUE",
     .unset = "512",
     .help = "how many requests may wait; more are answered 503",
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(out->max_queue, Count(values.front(), 1));
       return {};
     }},
    {.name = "model_turn",
     .unset = "10s",
     .help = "how long a loaded model goes on serving while another one waits for its room",
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(out->model_turn, Limit(values.front(), 0));
       return {};
     }},
    {.name = "load_timeout",
     .ollama = "OLLAMA_LOAD_TIMEOUT",
     .unset = "5m",
     .help = "how long a load may go on without another file on the card; 0: no limit",
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(const int64_t ns, api::ParseKeepAliveText(values.front()));
       out->load_limit = kYear;
       if (ns != 0) {
         AX_ASSIGN_OR_RETURN(out->load_limit, Limit(values.front(), kMs));
       }
       return {};
     }},
    {.name = "stall_timeout",
     .unset = "60s",
     .help = "time without progress on the card after which a runner counts as stuck",
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(out->stall_limit, Limit(values.front(), kMs));
       return {};
     }},
    {.name = "context_length",
     .ollama = "OLLAMA_CONTEXT_LENGTH",
     .unset = "0",
     .help = "context of requests that name no num_ctx; 0: the model's own, which is the most",
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(out->context_tokens, WholeNumber(values.front(), 0, 1LL << 31));
       return {};
     }},
    {.name = "origins",
     .ollama = "OLLAMA_ORIGINS",
     .help = "browser origin to allow beside the usual ones, repeatable",
     .separator = ',',
     .set = [](Settings* out, const SettingValues& values) -> Status {
       out->origins = fmt::format("{}", fmt::join(values, ","));
       return {};
     }},
    {.name = "allow_networks",
     .help = "network (192.168.1.0/24) whose clients need no API key, repeatable",
     .separator = ',',
     .exact = true,
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(out->guard.near, ParseNetworks(values));
       return {};
     }},
    {.name = "allow_hosts",
     .help = "name under which clients without a key may manage (.HOST: all below), repeatable",
     .separator = ',',
     .exact = true,
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(out->guard.hosts, ParseHosts(values));
       return {};
     }},
    {.name = "trusted_proxies",
     .help = "network of proxies whose X-Forwarded-For is believed, repeatable",
     .separator = ',',
     .exact = true,
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(out->guard.proxies, ParseNetworks(values));
       return {};
     }},
    {.name = "require_key",
     .unset = "0",
     .help = "1: clients on this computer and in allow_networks need an API key, too",
     .exact = true,
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(const int64_t on, WholeNumber(values.front(), 0, 1));
       out->guard.key_always = on == 1;
       return {};
     }},
    {.name = "client_header",
     .unset = "X-Forwarded-For",
     .help = "header in which trusted proxies name the client",
     .set = [](Settings* out, const SettingValues& values) -> Status {
       if (values.front().empty()) return Bad("a header's name is missing");
       out->client_header = values.front();
       return {};
     }},
    {.name = "reboot",
     .unset = "auto",
     .help = "auto, always or never: whether a card whose memory is lost may be rebooted",
     .exact = true,
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(out->reboot, ParseRebootPolicy(values.front()));
       return {};
     }},
    {.name = "log",
     .ollama = "OLLAMA_DEBUG",
     .unset = "info",
     .help = "trace, debug, info, warn, error or off",
     .exported = true,
     .set = SetLog},
    {.name = "home",
     .help = "models and what must survive (default: $XDG_DATA_HOME/axollama)",
     .exported = true,
     .set = OnlyExported},
    {.name = "runtime_dir",
     .help = "sockets and locks (default: $XDG_RUNTIME_DIR/axollama)",
     .exported = true,
     .set = OnlyExported},
    {.name = "max_transfer_streams",
     .ollama = "OLLAMA_MAX_TRANSFER_STREAMS",
     .unset = "4",
     .help = "how many parts of a model are brought at the same time",
     .set = [](Settings* out, const SettingValues& values) -> Status {
       AX_ASSIGN_OR_RETURN(const int64_t streams, WholeNumber(values.front(), 1, 32));
       out->transfer_streams = static_cast<size_t>(streams);
       return {};
     }},
    {.name = "upstream",
     .help = "URL of an Ollama whose models are served here beside ours",
     .exact = true,
     .set = [](Settings* out, const SettingValues& values) -> Status {
       out->upstream.clear();
       if (values.front().empty()) return {};
       AX_ASSIGN_OR_RETURN(out->upstream, upstream::ParseUrl(values.front()));
       return {};
     }},
    {.name = "hub",
     .help = "URL of a mirror of the Hugging Face hub (default: HF_ENDPOINT, else the hub)",
     .exported = true,
     .set = OnlyExported},
    {.name = "pull_hosts",
     .help = "hosts with commas that pulls may use beside the hub's; .HOST: all below HOST",
     .exported = true,
     .set = OnlyExported},
    {.name = "axcl_lib",
     .help = "path of the AXCL library to use",
     .exported = true,
     .set = OnlyExported},
    {.name = "ax_engine_lib",
     .help = "path of the on-board libax_engine.so to use",
     .exported = true,
     .set = OnlyExported},
    {.name = "ax_sys_lib",
     .help = "path of the on-board libax_sys.so to use",
     .exported = true,
     .set = OnlyExported},
};

constexpr std::string_view kAnotherEngine = "it tunes Ollama's own engines";
constexpr std::string_view kNoCloud = "there is no cloud here";
const UnusedVariable kUnused[] = {
    {"OLLAMA_MODELS", "Ollama's store has another layout; AXOLLAMA_MODELS names model folders"},
    {"OLLAMA_NUM_PARALLEL", "a model answers one request at a time; the others wait in turn"},
    {"OLLAMA_DEBUG_LOG_REQUESTS", "requests are never logged"},
    {"OLLAMA_FLASH_ATTENTION", kAnotherEngine},
    {"OLLAMA_KV_CACHE_TYPE", kAnotherEngine},
    {"OLLAMA_GPU_OVERHEAD", kAnotherEngine},
    {"OLLAMA_IGPU_ENABLE", kAnotherEngine},
    {"OLLAMA_LLM_LIBRARY", kAnotherEngine},
    {"OLLAMA_SCHED_SPREAD", kAnotherEngine},
    {"OLLAMA_VULKAN", kAnotherEngine},
    {"OLLAMA_GO_TEMPLATE", "a bundle's own template is the one that its model was trained with"},
    {"OLLAMA_AUTH", kNoCloud},
    {"OLLAMA_NO_CLOUD", kNoCloud},
    {"OLLAMA_CLOUD_BASE_URL", kNoCloud},
    {"OLLAMA_REMOTES", kNoCloud},
};

std::string Replaced(std::string_view name, char to, bool upper) {
  std::string out(name);
  for (char& c : out) {
    if (c == '_') c = to;
    if (upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

}  // namespace

std::string Setting::Flag() const { return "--" + Replaced(name, '-', false); }
std::string Setting::Environment() const { return "AXOLLAMA_" + Replaced(name, '_', true); }

std::span<const Setting> SettingTable() { return kTable; }
std::span<const UnusedVariable> UnusedVariables() { return kUnused; }

SettingValues SplitSetting(const Setting& setting, std::string_view text) {
  if (setting.separator == 0) return {std::string(text)};
  SettingValues out;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(setting.separator, begin), text.size());
    if (end > begin) out.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string FromOllama(const Setting& setting, std::string_view text) {
  if (setting.name == "listen") return ParseOllamaHost(text).ListenAddress();
  if (setting.name == "log") {
    if (text == "0" || text == "false") return "info";
    return text == "2" ? "trace" : "debug";
  }
  return std::string(text);
}

}  // namespace axollama::server
