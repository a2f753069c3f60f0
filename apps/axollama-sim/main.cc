// axollama-sim: the simulated card's own tools.
#include <cstdio>
#include <string_view>
#include <vector>

#include "sim/build/build_main.h"

namespace {

constexpr char kUsage[] =
    "usage: axollama-sim build SRC OUT [options]   makes a bundle from a GGUF file\n"
    "       axollama-sim --version\n";

}  // namespace

int main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "build") {
    static char name[] = "axollama-sim build";
    std::vector<char*> arguments(argv + 1, argv + argc);
    arguments[0] = name;
    arguments.push_back(nullptr);
    return axsim::build::BuildMain(argc - 1, arguments.data());
  }
  if (command == "--version") {
    std::puts("axollama-sim " AXOLLAMA_VERSION);
    return 0;
  }
  if (command == "--help" || command == "-h") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  std::fputs(kUsage, stderr);
  return 2;
}
