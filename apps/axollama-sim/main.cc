// axollama-sim: the simulated card's own tools.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "sim/build/build_main.h"
#include "sim/control/control_main.h"
#include "sim/probe/probe_main.h"

namespace {

struct Command {
  std::string_view name;
  int (*main)(int argc, char** argv);
};

constexpr Command kCommands[] = {
    {"build", axsim::build::BuildMain},   {"status", axsim::control::StatusMain},
    {"fault", axsim::control::FaultMain}, {"reset", axsim::control::ResetMain},
    {"probe", axsim::probe::ProbeMain},
};

constexpr char kUsage[] =
    "usage: axollama-sim build SRC OUT [options]   makes a bundle from a GGUF or HF model\n"
    "       axollama-sim status [--json]           shows the cards, who uses them, their faults\n"
    "       axollama-sim fault KIND [options]      makes a card fail\n"
    "       axollama-sim reset [--card N]          clears faults, and what dead processes hold\n"
    "       axollama-sim probe MODEL [--json]      measures a bundle and this CPU\n"
    "       axollama-sim --version\n";

}  // namespace

int main(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  for (const Command& command : kCommands) {
    if (command.name != word) continue;
    std::string name = "axollama-sim " + std::string(word);
    std::vector<char*> arguments(argv + 1, argv + argc);
    arguments[0] = name.data();
    arguments.push_back(nullptr);
    return command.main(argc - 1, arguments.data());
  }
  if (word == "--version") {
    std::puts("axollama-sim " AXOLLAMA_VERSION);
    return 0;
  }
  if (word == "--help" || word == "-h") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  std::fputs(kUsage, stderr);
  return 2;
}
