// The command lines of this room's programs: parsing, and saying what is wrong. Threads: main's.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string_view>

namespace axollama::runner {

inline constexpr int kFailedExit = 1, kUsageExit = 2, kInterruptedExit = 130;

// Writes `error: MESSAGE` to standard error, and returns `code` for the caller to exit with.
int Say(int code, std::string_view message);

// The exit code when the program is to end here: help was asked for and given, or the arguments
// are wrong.
std::optional<int> ParseArguments(CLI::App& app, int argc, char** argv);

// The log of a program that measures: warnings only, so that a failure is one clear line. The
// simulated card's library, which has a log of its own, is silent. AXOLLAMA_LOG and OLLAMA_DEBUG
// have the last word. Call before a second thread is started.
void InitQuietLog(std::string_view process);

}  // namespace axollama::runner
