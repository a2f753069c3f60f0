#include "runner/bench_main.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/env.h"
#include "base/file.h"
#include "base/json.h"
#include "bundle/bundle.h"
#include "bundle/roots.h"
#include "runner/allocations.h"
#include "runner/arguments.h"
#include "runner/bench.h"
#include "runner/interrupt.h"
#include "runner/loader.h"

extern char** environ;

namespace axollama::runner {
namespace {

struct Arguments {
  std::string model;
  std::vector<std::string> roots;
  std::string device;
  std::optional<int32_t> device_id;
  BenchOptions bench;
  int threads = 0;
  bool json = false;
};

int Cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

// Runs a short measurement in a process of its own, since the simulated card takes its number of
// threads when it starts. Tokens per second, or nothing when it failed.
std::optional<double> DecodeSpeed(const Arguments& arguments, const std::filesystem::path& folder,
                                  int threads) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  // What fails there fails again in the measurement itself, which says why.
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<std::string> words = {
      "axollama", "bench", folder.string() + "/", "--json", "--threads",  std::to_string(threads),
      "--runs",   "1",     "--prompt-tokens",     "16",     "--generate", "24"};
  if (!arguments.device.empty()) words.insert(words.end(), {"--device", arguments.device});
  if (arguments.device_id) {
    words.insert(words.end(), {"--device-id", std::to_string(*arguments.device_id)});
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string out;
  char buffer[4096];
  for (ssize_t got; failed == 0 && (got = read(ends[0], buffer, sizeof buffer)) > 0;) {
    out.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  if (failed != 0) return std::nullopt;
  int status = 0;
  waitpid(pid, &status, 0);
  const Result<json::Object> object = json::ParseObject(out, "the measurement");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || !object) return std::nullopt;
  const Result<double> speed = json::GetDouble(*object, "decode_tokens_per_s", 0.0);
  if (!speed) return std::nullopt;
  return *speed;
}

int FastestThreads(const Arguments& arguments, const std::filesystem::path& folder) {
  const int cpus = Cpus();
  int best = cpus;
  double best_speed = 0;
  // Powers of two, and all of them.
  for (int threads = 1; threads <= cpus && !Interrupted();
       threads = threads < cpus ? std::min(2 * threads, cpus) : cpus + 1) {
    const std::optional<double> speed = DecodeSpeed(arguments, folder, threads);
    if (!speed) break;
    if (*speed > best_speed) {
      best_speed = *speed;
      best = threads;
    }
  }
  return best;
}

uint64_t ResidentBytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    uint64_t kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib * 1024;
  }
  return 0;
}

// As the simulated card reads it, which has accepted it by now.
std::string SimulatedProfile() {
  if (const auto profile = GetEnv("AXSIM_PROFILE")) return *profile;
  const auto path = GetEnv("AXSIM_CONFIG");
  const Result<std::string> text = path ? ReadFile(*path) : std::string();
  if (!text || text->empty()) return "off";
  const Result<json::Object> config = json::ParseObject(*text, *path);
  if (!config) return "off";
  return json::GetString(*config, "profile", "off").value_or("off");
}

double Rounded(double value) { return std::round(value * 1000) / 1000; }

void PrintTable(const json::Object& object) {
  for (const auto& [key, value] : object) {
    std::string label(key);
    for (char& c : label) c = c == '_' ? ' ' : c;
    const json::String* text = value.if_string();
    fmt::print("{:<26} {}\n", label, text != nullptr ? std::string(*text) : json::Write(value));
  }
}

int Run(const Arguments& arguments, device::Backend backend, const FindModel& find_model) {
  CatchInterrupts();
  const Result<bundle::ModelRef> model =
      find_model(bundle::ModelRoots(arguments.roots), arguments.model);
  if (!model) return Say(kFailedExit, model.error().message);
  const Result<bundle::Bundle> bundle = bundle::Open(model->folder);
  if (!bundle) return Say(kFailedExit, bundle.error().message);

  int threads = 0;
  if (bundle->simulator) {
    const std::optional<std::string> given = GetEnv("AXSIM_THREADS");
    threads = arguments.threads;
    if (threads == 0 && given) threads = std::atoi(given->c_str());
    if (threads <= 0) threads = FastestThreads(arguments, model->folder);
    if (Interrupted()) return kInterruptedExit;
    setenv("AXSIM_THREADS", std::to_string(threads).c_str(), 1);
  }

  LoadRequest request;
  request.folder = model->folder;
  request.backend = backend;
  request.device_id = arguments.device_id;
  request.stop = Interrupted;
  const Result<Loaded> loaded = Load(request);
  if (Interrupted()) return kInterruptedExit;
  if (!loaded) return Say(kFailedExit, loaded.error().message);
  LeaveOut(loaded->info->library);
  const Result<BenchResult> measured = Bench(loaded->parts, arguments.bench, Interrupted);
  if (Interrupted()) return kInterruptedExit;
  if (!measured) return Say(kFailedExit, measured.error().message);

  const json::Object object{{"model", model->name},
                            {"device", loaded->info->backend},
                            {"profile", loaded->info->backend == "sim" ? SimulatedProfile() : ""},
                            {"threads", threads},
                            {"prompt_tokens", arguments.bench.prompt_tokens},
                            {"generated_tokens", arguments.bench.generate_tokens},
                            {"load_ms", Rounded(loaded->info->load_ms)},
                            {"ttft_ms", Rounded(measured->ttft_ms)},
                            {"prefill_tokens_per_s", Rounded(measured->prefill_tokens_per_s)},
                            {"decode_tokens_per_s", Rounded(measured->decode_tokens_per_s)},
                            {"host_cpu_ms_per_token", Rounded(measured->host_cpu_ms_per_token)},
                            {"device_busy_share", Rounded(measured->device_busy_share)},
                            {"device_calls_per_token", Rounded(measured->device_calls_per_token)},
                            {"bytes_up_per_token", Rounded(measured->bytes_up_per_token)},
                            {"bytes_down_per_token", Rounded(measured->bytes_down_per_token)},
                            {"allocations_per_token", Rounded(measured->allocations_per_token)},
                            {"runner_rss_bytes", ResidentBytes()},
                            {"cmm_bytes", loaded->info->cmm_bytes}};
  if (arguments.json) {
    fmt::print("{}\n", json::Write(object));
  } else {
    PrintTable(object);
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace

int BenchMain(int argc, char** argv, const FindModel& find_model) {
  Arguments arguments;
  CLI::App app{"Measures a model's speeds, and counts what a token costs.", argv[0]};
  app.add_option("MODEL", arguments.model, "a model's name, or a folder (with a '/')")->required();
  app.add_option("--models", arguments.roots, "a model root; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--device", arguments.device,
                 "axcl, axengine or sim; default: what the model is made for");
  app.add_option("--device-id", arguments.device_id, "the card's id; default: the first card");
  app.add_option("--prompt-tokens", arguments.bench.prompt_tokens, "length of the prefill")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--generate", arguments.bench.generate_tokens, "tokens to decode")
      ->check(CLI::Range(2, 1 << 20))
      ->capture_default_str();
  app.add_option("--context-tokens", arguments.bench.context_tokens, "tokens in the cache before")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  app.add_option("--threads", arguments.threads,
                 "threads of the simulated card; default: the fastest number, tried first")
      ->check(CLI::Range(1, 1024));
  app.add_option("--runs", arguments.bench.runs, "the medians are taken over this many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_flag("--json", arguments.json, "one JSON object instead of a table");
  if (const std::optional<int> code = ParseArguments(app, argc, argv)) return *code;
  const Result<device::Backend> backend = device::ParseBackend(arguments.device);
  if (!backend) return Say(kUsageExit, backend.error().message);
  InitQuietLog("bench");
  return Run(arguments, *backend, find_model);
}

}  // namespace axollama::runner
