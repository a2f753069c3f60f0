#include "runner/arguments.h"

#include <fmt/core.h>

#include <cstdio>
#include <cstdlib>

#include "base/env.h"
#include "base/log.h"
#include "base/one_line.h"

namespace axollama::runner {

int Say(int code, std::string_view message) {
  fmt::print(stderr, "error: {}\n", OneLine(message));
  std::fflush(stderr);
  return code;
}

std::optional<int> ParseArguments(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // prints the help
    return Say(kUsageExit, fmt::format("{}: `{} --help` explains", error.what(), app.get_name()));
  }
  return std::nullopt;
}

void InitQuietLog(std::string_view process) {
  log::Init(process);
  if (GetEnv("AXOLLAMA_LOG") || GetEnv("OLLAMA_DEBUG")) return;
  log::SetLevel(log::Level::kWarn);
  setenv("AXOLLAMA_LOG", "off", 1);  // read by the library when it starts
}

}  // namespace axollama::runner
