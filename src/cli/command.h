// What the commands share: options, errors as one line, exit codes, columns.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace axollama::cli {

inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;
inline constexpr int kInterrupted = 130;

// Parses; 0 means go on, else exit with *exit_code (0 after --help, 2 after one line of error).
bool ParseOrExit(CLI::App& app, int argc, char** argv, int* exit_code);

// Prints `error: ...` and returns the exit code for it.
int Report(const Error& error);

// Rows as columns of equal width, three spaces apart, as Ollama prints its lists.
void PrintTable(const std::vector<std::vector<std::string>>& rows);

// 1234567 -> "1.2 MB", as Ollama prints sizes (powers of 1000).
std::string HumanBytes(uint64_t bytes);
// "3 minutes ago", "About an hour from now", "Forever"; `delta_s` < 0 is the past.
std::string HumanTime(int64_t delta_s);
// 1234567890 ns -> "1.23456789s", as Go prints durations of less than an hour.
std::string GoDuration(int64_t ns);
// The wall-clock nanoseconds of an RFC 3339 time, 0 when it is none.
int64_t ParseTime(const std::string& text);

}  // namespace axollama::cli
