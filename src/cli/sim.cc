// `axollama sim ...`: hands over to axollama-sim, the simulated card's own program.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "cli/cli_main.h"
#include "cli/command.h"

namespace axollama::cli {

int SimMain(int, char** argv) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path program = self.parent_path() / "axollama-sim";
  // Its messages name the command as the user typed it.
  argv[0] = const_cast<char*>("axollama sim");
  execv(program.c_str(), argv);
  return Report(Error{ErrorKind::kIo, fmt::format("cannot start {}: {}", program.string(),
                                                  std::generic_category().message(errno))});
}

}  // namespace axollama::cli
