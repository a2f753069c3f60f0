#include "warden/warden_main.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>

#include "base/log.h"
#include "warden/card_access.h"
#include "warden/loop.h"

namespace axollama::warden {
namespace {

// A device library may print to standard output, which is the answers' way: it gets standard error
// instead, and the answers a descriptor of their own.
int TakeStandardOutput() {
  const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  if (out >= 0) ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return out;
}

// A standard descriptor that is closed would be dealt to the next file that is opened.
void FillStandardDescriptors() {
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR);
  if (fd >= 0) ::close(fd);
}

}  // namespace

int WardenMain(int argc, char** argv) {
  CLI::App app("The keeper of one card: answers questions about it and reboots it.",
               "axollama warden");
  std::string device_word;
  std::optional<int32_t> id;
  LoopOptions loop;
  app.add_option("--device", device_word, "axcl (a card), axengine (the SoC itself) or sim");
  app.add_option("--device-id", id, "the card's id in its library's list");
  app.add_option("--lifeline-fd", loop.lifeline_fd, "a pipe whose end ends this program")
      ->check(CLI::NonNegativeNumber);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    fmt::print(stderr, "error: {} (see axollama warden --help)\n", e.what());
    return 2;
  }
  const auto backend = device::ParseBackend(device_word);
  if (!backend) {
    fmt::print(stderr, "error: {}\n", backend.error().message);
    return 2;
  }
  FillStandardDescriptors();
  log::Init("warden");
  ::signal(SIGPIPE, SIG_IGN);
  // An interrupt from the terminal goes to the whole group; the supervisor decides what ends when.
  if (loop.lifeline_fd >= 0) ::signal(SIGINT, SIG_IGN);
  loop.in_fd = STDIN_FILENO;
  loop.out_fd = TakeStandardOutput();
  device::Device::Options options;
  options.backend = *backend;
  options.id = id;
  RunLoop(OpenPerQuestion(options), loop);
  // Not exit(): its handlers, the library's among them, could wait for a card that hangs.
  std::fflush(stderr);
  ::_exit(0);
}

}  // namespace axollama::warden
