#include "server/serve_main.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/env.h"
#include "base/log.h"
#include "base/one_line.h"
#include "net/client.h"
#include "net/server.h"
#include "pull/pull.h"
#include "server/compat.h"
#include "server/routes.h"
#include "server/runtime_folder.h"
#include "server/served_model.h"
#include "server/settings.h"
#include "store/resolve.h"
#include "store/store.h"
#include "upstream/upstream.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;

// How long the runners of a server that died may take to end; they promise 5 s.
constexpr milliseconds kStalePatience{6'000};
// Handlers get this long to say goodbye to their clients.
constexpr milliseconds kHandlerGrace{2'000};
// What has not ended by then is left to the children's lifelines.
constexpr milliseconds kEndLimit{9'000};

int FailStart(std::string_view message) {
  const std::string line = fmt::format("error: {}\n", OneLine(message));
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
  return 1;
}

// Who has a port that we cannot have, as far as asking tells.
std::string TakenBy(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  auto ask = [&](const char* path) {
    net::ClientRequest request;
    request.path = path;
    request.connect_timeout = milliseconds(500);
    request.read_timeout = milliseconds(1'000);
    return net::Call({host + address.substr(colon)}, std::move(request));
  };
  const auto root = ask("/");
  if (!root || root->body != "Ollama is running") return "another program";
  const auto health = ask("/health");
  const bool ours = health && health->body.find("\"backend_type\"") != std::string::npos;
  return ours ? "another axollama server" : "a running Ollama";
}

std::string TakenMessage(const std::string& address) {
  const std::string holder = TakenBy(address);
  const char* advice = holder == "a running Ollama" ? "Stop it (systemctl stop ollama), or choose"
                                                    : "Stop it, or choose";
  return fmt::format(
      "{} is taken by {}. {} another address: axollama serve --listen 127.0.0.1:11500", address,
      holder, advice);
}

std::string Hostname() {
  char name[256] = "";
  gethostname(name, sizeof(name) - 1);
  return name;
}

// The limit that shells set is for programs that use select(); a server may have what it is
// allowed.
void RaiseDescriptorLimit() {
  constexpr rlim_t kEnough = 65'536;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kEnough) return;
  limit.rlim_cur = std::min(limit.rlim_max, kEnough);
  setrlimit(RLIMIT_NOFILE, &limit);
}

ModelsOptions OptionsOf(const Settings& settings) {
  ModelsOptions out;
  out.roots = bundle::ModelRoots(settings.models);
  out.device = settings.device;
  out.device_id = settings.device_id;
  out.keep_alive_ns = settings.keep_alive_ns;
  out.max_queue = settings.max_queue;
  out.max_loaded = settings.max_loaded_models;
  out.turn = settings.model_turn;
  out.context_tokens = settings.context_tokens;
  out.stall_limit = settings.stall_limit;
  out.load_limit = settings.load_limit;
  out.reboot = settings.reboot;
  return out;
}

Result<std::vector<std::string>> Listen(net::Server& server, const Settings& settings) {
  const Guard guard(settings.guard);
  std::vector<std::string> bound;
  for (const std::string& address : settings.listen) {
    auto got = server.ListenTcp(address);
    if (!got && got.error().kind == ErrorKind::kConflict) {
      return Fail(ErrorKind::kConflict, TakenMessage(address));
    }
    if (!got) return Fail(got.error());
    log::Info("server", "listening on http://{}: {}", *got, guard.Consequences(*got));
    bound.push_back(std::move(*got));
  }
  return bound;
}

void TellReady(int fd, const std::vector<std::string>& bound) {
  if (fd < 0) return;
  for (const std::string& address : bound) {
    const std::string line = address + "\n";
    if (write(fd, line.data(), line.size()) < 0) log::Warn("server", "--ready-fd: cannot write");
  }
  close(fd);
}

// `setting`: who asked for it.
void LoadAtStart(Models& models, const bundle::ModelRef& model, std::string_view setting) {
  Models::Request request;
  request.model = model;
  request.keep_alive_ns = KeepAlive::kForever;
  request.load_only = true;
  request.own = true;
  if (const auto grant = models.Acquire(std::move(request)); !grant) {
    log::Error("server", "{}: {}: {}", setting, model.name, grant.error().message);
  }
}

// What the settings want to have loaded, each with the setting's name; the prototype's model first,
// since its clients do not name one.
std::vector<std::pair<bundle::ModelRef, std::string_view>> WantedAtStart(Models& models,
                                                                         const Settings& settings) {
  std::vector<std::pair<bundle::ModelRef, std::string_view>> out;
  const auto want = [&](const Result<bundle::ModelRef>& model, std::string_view setting) {
    if (!model) {
      log::Error("server", "{}: {}", setting, model.error().message);
      return false;
    }
    out.emplace_back(*model, setting);
    return true;
  };
  if (!settings.model_path.empty() &&
      want(store::ResolveModel(models.roots(), settings.model_path), "AX650_MODEL_PATH")) {
    models.Choose(out.back().first);
  }
  for (const std::string& name : settings.pinned) {
    const auto served = FindServed(models, name);
    if (want(served.map([](const ServedModel& model) { return model.ref; }), "pinned")) {
      models.Pin(out.back().first);
    }
  }
  return out;
}

// Blocks until the server shall end; says why.
std::string WaitForEnd(int signals, int lifeline) {
  pollfd wanted[2] = {{signals, POLLIN, 0}, {lifeline, POLLIN, 0}};
  for (;;) {
    if (poll(wanted, 2, -1) < 0) continue;
    if (wanted[0].revents != 0) {
      signalfd_siginfo info{};
      if (read(signals, &info, sizeof(info)) == static_cast<ssize_t>(sizeof(info))) {
        return fmt::format("signal {}", info.ssi_signo);
      }
    }
    if (wanted[1].revents != 0) {
      char byte;
      if (read(lifeline, &byte, 1) <= 0) return "the end of its lifeline";
    }
  }
}

}  // namespace

int ServeMain(int argc, char** argv) {
  // Threads that wait for runners are many and allocate little: few arenas keep the process small.
  mallopt(M_ARENA_MAX, 2);
  log::Init("serve");
  const ParsedSettings parsed = ReadSettings(argc, argv);
  if (parsed.exit_code) {
    const int fd = *parsed.exit_code == 0 ? STDOUT_FILENO : STDERR_FILENO;
    [[maybe_unused]] const ssize_t written = write(fd, parsed.text.data(), parsed.text.size());
    return *parsed.exit_code;
  }
  const Settings& settings = parsed.settings;

  // Before any thread exists, so that all of them inherit it.
  sigset_t ends;
  sigemptyset(&ends);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&ends, number);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  signal(SIGPIPE, SIG_IGN);
  const Fd signals(signalfd(-1, &ends, SFD_CLOEXEC));

  RaiseDescriptorLimit();
  const auto runtime = RuntimeFolder::Open(RuntimeDir(), kStalePatience);
  if (!runtime) return FailStart(runtime.error().message);
  Models models(OptionsOf(settings), runtime->get());
  models.store().Tidy();
  pull::Puller puller(&models.store(), HomeDir() / "store" / "pulls", settings.transfer_streams);
  std::optional<upstream::Upstream> other;
  if (!settings.upstream.empty()) other.emplace(settings.upstream);
  GuardOptions guard = settings.guard;
  guard.hostname = Hostname();
  Routes routes(&models, &puller, other ? &*other : nullptr,
                AccessRules(settings.origins, HostNames(guard.hostname, guard.hosts)), guard,
                ClientNames(settings.guard.proxies, settings.client_header));
  net::ServerOptions http;
  http.refusal_body = RefusalBody;
  http.streams_body = Routes::StreamsBody;
  auto server = net::Server::Create(http, [&](const net::Request& request, net::Responder& answer) {
    routes.Handle(request, answer);
  });
  if (!server) return FailStart(server.error().message);
  // Pinned before anybody can ask for them.
  auto wanted = WantedAtStart(models, settings);
  const auto bound = Listen(**server, settings);
  if (!bound) return FailStart(bound.error().message);
  std::thread first_load;
  if (!wanted.empty()) {
    first_load = std::thread([&models, wanted = std::move(wanted)] {
      for (const auto& [model, setting] : wanted) LoadAtStart(models, model, setting);
    });
  }
  TellReady(settings.ready_fd, *bound);

  const std::string why = WaitForEnd(signals.get(), settings.lifeline_fd);
  log::Info("server", "ending: {}", why);
  std::thread([] {
    std::this_thread::sleep_for(kEndLimit);
    log::Error("server", "not everything ended in time; leaving it to its lifelines");
    _exit(0);
  }).detach();
  models.BeginShutdown();
  puller.BeginShutdown();
  if (other) other->BeginShutdown();
  (*server)->Stop(kHandlerGrace);
  if (first_load.joinable()) first_load.join();
  models.EndAll();
  if (const std::string counters = models.CountersText(); !counters.empty()) {
    log::Info("server", "{}", counters);
  }
  return 0;
}

}  // namespace axollama::server
