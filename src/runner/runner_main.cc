#include "runner/runner_main.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/progress.h"
#include "engine/engine.h"
#include "net/server.h"
#include "runner/arguments.h"
#include "runner/loader.h"
#include "runner/service.h"

namespace axollama::runner {
namespace {

constexpr int kBadBundle = 3, kBadDevice = 4;
// Without a supervisor nobody ends a runner that hangs in the device's library: it ends itself.
constexpr unsigned kLastResortSeconds = 4;

struct Arguments {
  std::string model;
  std::string socket;
  std::string host = "127.0.0.1";
  int port = -1;
  std::string device;
  std::optional<int32_t> device_id;
  std::string name;
  std::string progress;
  int lifeline_fd = -1;
};

int ExitCodeOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid:
    case ErrorKind::kNotFound:
    case ErrorKind::kNoMemory:
    case ErrorKind::kIo:
      return kBadBundle;
    default:
      return kBadDevice;
  }
}

// What the main thread waits for: signals, the lifeline, the end of the load.
class Events {
 public:
  enum class Kind { kTerminate, kInterrupt, kLifeline, kLoadEnded };

  // Signals must be blocked in every thread: call before the first is started.
  static Result<std::unique_ptr<Events>> Open(int lifeline_fd) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    std::unique_ptr<Events> events(new Events);
    events->signal_fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    events->loaded_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    events->lifeline_fd_ = lifeline_fd;
    if (events->signal_fd_ < 0 || events->loaded_fd_ < 0) {
      return Fail(ErrorKind::kIo, fmt::format("cannot watch for signals: {}", strerror(errno)));
    }
    return events;
  }
  ~Events() {
    if (signal_fd_ >= 0) close(signal_fd_);
    if (loaded_fd_ >= 0) close(loaded_fd_);
  }

  void LoadEnded() {
    const uint64_t one = 1;
    while (write(loaded_fd_, &one, sizeof one) < 0 && errno == EINTR) {
    }
  }

  Kind Wait() {
    for (;;) {
      // poll passes over a descriptor that is -1.
      pollfd fds[] = {{signal_fd_, POLLIN, 0}, {loaded_fd_, POLLIN, 0}, {lifeline_fd_, POLLIN, 0}};
      if (poll(fds, 3, -1) < 0) continue;
      uint64_t count;
      if (read(loaded_fd_, &count, sizeof count) == sizeof count) return Kind::kLoadEnded;
      signalfd_siginfo info;
      if (read(signal_fd_, &info, sizeof info) == sizeof info) {
        return info.ssi_signo == SIGINT ? Kind::kInterrupt : Kind::kTerminate;
      }
      if (fds[2].revents == 0) continue;
      char ignored[64];
      const ssize_t got = read(lifeline_fd_, ignored, sizeof ignored);
      if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return Kind::kLifeline;
    }
  }

 private:
  Events() = default;
  int signal_fd_ = -1, loaded_fd_ = -1, lifeline_fd_ = -1;
};

int Serve(const Arguments& arguments, device::Backend backend) {
  Result<std::unique_ptr<Events>> events = Events::Open(arguments.lifeline_fd);
  if (!events) return Say(kFailedExit, events.error().message);

  Result<Progress> progress = Progress::Private();
  if (!arguments.progress.empty()) progress = Progress::Open(arguments.progress);
  if (!progress) return Say(kFailedExit, progress.error().message);

  Service service;
  Result<std::unique_ptr<net::Server>> server =
      net::Server::Create({}, [&service](const net::Request& request, net::Responder& responder) {
        service.Handle(request, responder);
      });
  if (!server) return Say(kFailedExit, server.error().message);
  const Result<std::string> bound =
      arguments.socket.empty()
          ? (*server)->ListenTcp(fmt::format("{}:{}", arguments.host, arguments.port))
          : (*server)->ListenUnix(arguments.socket);
  if (!bound) return Say(kFailedExit, bound.error().message);
  log::Info("runner", "listening on {}", *bound);

  LoadRequest load;
  load.folder = arguments.model;
  load.backend = backend;
  load.device_id = arguments.device_id;
  load.progress = &*progress;
  // Of the engine's thread until it says that the load has ended.
  std::shared_ptr<const ModelInfo> info;
  Status loaded;
  engine::Engine::Options options;
  options.progress = &*progress;
  engine::Engine engine(
      options,
      [&](const npu::StopCheck& stop) -> Result<engine::Parts> {
        load.stop = stop;
        AX_ASSIGN_OR_RETURN(Loaded both, Load(load));
        info = std::move(both.info);
        return std::move(both.parts);
      },
      [&](const Status& status) {
        loaded = status;
        (*events)->LoadEnded();
      });

  Events::Kind why = (*events)->Wait();
  if (why == Events::Kind::kLoadEnded && loaded) {
    service.SetModel(&engine, info);
    why = (*events)->Wait();
  }
  if (why == Events::Kind::kLifeline) {
    log::Warn("runner", "the supervisor has gone: ending");
    alarm(kLastResortSeconds);
  }
  engine.Stop();  // ends every answer, so that the handlers end too
  (*server)->Stop(std::chrono::milliseconds(500));
  if (why == Events::Kind::kLoadEnded) {
    return Say(ExitCodeOf(loaded.error().kind), loaded.error().message);
  }
  return why == Events::Kind::kInterrupt ? kInterruptedExit : 0;
}

}  // namespace

int RunnerMain(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"Serves one model folder in llama-server's protocol.", argv[0]};
  app.add_option("--model", arguments.model, "the model folder")->required();
  auto* socket = app.add_option("--socket", arguments.socket, "listen on this Unix socket");
  app.add_option("--host", arguments.host, "or on this address")->capture_default_str();
  auto* port = app.add_option("--port", arguments.port, "and this port, 0 for a free one")
                   ->check(CLI::Range(0, 65535));
  socket->excludes(port);
  app.add_option("--device", arguments.device,
                 "axcl, axengine or sim; default: what the model is made for");
  app.add_option("--device-id", arguments.device_id, "the card's id; default: the first card");
  app.add_option("--name", arguments.name, "the model's name, for the log");
  app.add_option("--progress", arguments.progress, "the supervisor's progress page");
  app.add_option("--lifeline-fd", arguments.lifeline_fd,
                 "end when this descriptor reaches its end: the supervisor has gone");
  if (const std::optional<int> code = ParseArguments(app, argc, argv)) return *code;
  if (arguments.socket.empty() && arguments.port < 0) {
    return Say(kUsageExit, "give --socket PATH or --port N to listen on");
  }
  const Result<device::Backend> backend = device::ParseBackend(arguments.device);
  if (!backend) return Say(kUsageExit, backend.error().message);
  const std::string& name = arguments.name.empty() ? arguments.model : arguments.name;
  log::Init("runner " + name);
  return Serve(arguments, *backend);
}

}  // namespace axollama::runner
