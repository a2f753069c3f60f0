#include "cli/own_server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "base/env.h"

extern char** environ;

namespace axollama::cli {
namespace {

constexpr int kReadyFd = 3;  // in the child
constexpr int kLifelineFd = 4;
constexpr auto kEndLimit = std::chrono::seconds(12);  // serve promises to end within 10 s

// What would make the command's own server do more than serve the command.
bool IsForAnotherServer(std::string_view variable) {
  return variable.starts_with("AX650_PORT=") || variable.starts_with("AX650_MODEL_PATH=");
}

std::vector<std::string> ServerEnvironment() {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!IsForAnotherServer(*variable)) variables.emplace_back(*variable);
  }
  if (!GetEnv("AXOLLAMA_LOG")) variables.emplace_back("AXOLLAMA_LOG=error");
  return variables;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Both ends above the numbers that the child uses, and closed on exec.
Status MakePipe(int ends[2]) {
  int low[2];
  if (pipe2(low, O_CLOEXEC) != 0) {
    return Fail(ErrorKind::kIo,
                fmt::format("cannot make a pipe: {}", std::generic_category().message(errno)));
  }
  for (int i = 0; i < 2; ++i) {
    ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, kLifelineFd + 1);
    close(low[i]);
  }
  return {};
}

int Spawn(std::vector<std::string> arguments, int ready, int lifeline, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ready, kReadyFd);
  posix_spawn_file_actions_adddup2(&actions, lifeline, kLifelineFd);
  // A group of its own: Ctrl-C reaches the command alone, which then ends the server in order.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> variables = ServerEnvironment();
  const int error = posix_spawn(pid, "/proc/self/exe", &actions, &attributes,
                                Pointers(arguments).data(), Pointers(variables).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// The first line of the pipe, or what came before its end.
std::string ReadLine(int fd) {
  std::string line;
  char c = 0;
  while (true) {
    const ssize_t n = read(fd, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return {};
    if (c == '\n') return line;
    line.push_back(c);
  }
}

}  // namespace

Result<std::unique_ptr<OwnServer>> OwnServer::Start(const std::string& models,
                                                    const std::string& device) {
  std::vector<std::string> arguments = {"axollama",      "serve",
                                        "--listen",      "127.0.0.1:0",
                                        "--ready-fd",    std::to_string(kReadyFd),
                                        "--lifeline-fd", std::to_string(kLifelineFd)};
  if (!models.empty()) arguments.insert(arguments.end(), {"--models", models});
  if (!device.empty()) arguments.insert(arguments.end(), {"--device", device});

  int ready[2], lifeline[2];
  AX_RETURN_IF_ERROR(MakePipe(ready));
  if (auto made = MakePipe(lifeline); !made) {
    close(ready[0]);
    close(ready[1]);
    return Fail(made.error());
  }
  auto server = std::unique_ptr<OwnServer>(new OwnServer);
  const int error = Spawn(std::move(arguments), ready[1], lifeline[0], &server->pid_);
  server->lifeline_ = lifeline[1];
  close(ready[1]);
  close(lifeline[0]);
  if (error != 0) {
    server->pid_ = -1;
    close(ready[0]);
    return Fail(ErrorKind::kIo,
                fmt::format("cannot start a server: {}", std::generic_category().message(error)));
  }
  server->address_ = ReadLine(ready[0]);
  close(ready[0]);
  if (server->address_.empty()) {
    return Fail(ErrorKind::kUnavailable,
                "the server did not start; its own error stands above this line");
  }
  return server;
}

OwnServer::~OwnServer() {
  if (lifeline_ >= 0) close(lifeline_);
  if (pid_ < 0) return;
  const auto deadline = std::chrono::steady_clock::now() + kEndLimit;
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace axollama::cli
