// What the commands share: options, errors as one line, exit codes, columns.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace axollama::cli {

inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;
inline constexpr int kInterrupted = 130;

// Parses; 0 means go on, else exit with *exit_code (0 after --help, 2 after one line of error).
bool ParseOrExit(CLI::App& app, int argc, char** argv, int* exit_code);

// Prints `error: ...` and returns the exit code for it.
int Report(const Error& error);

// Rows as columns of equal width, three spaces apart, as Ollama prints its lists. Cells may hold
// anything: what could steer a terminal becomes spaces.
void PrintTable(std::vector<std::vector<std::string>> rows);

// 1234567 -> "1.2 MB", as Ollama prints sizes (powers of 1000).
std::string HumanBytes(uint64_t bytes);
// "3 minutes ago", "About an hour from now", "Forever"; `delta_s` < 0 is the past.
std::string HumanTime(int64_t delta_s);
// 1234567890 ns -> "1.23456789s", as Go prints durations of less than an hour.
std::string GoDuration(int64_t ns);
// The wall-clock nanoseconds of an RFC 3339 time, 0 when it is none.
int64_t ParseTime(const std::string& text);

// Fields of an answer that is only shown: "" and 0 where they are missing or of another type.
std::string TextField(const json::Object& object, std::string_view key);
int64_t NumberField(const json::Object& object, std::string_view key);

// `--keepalive` as the API wants it: seconds are a number, durations with a unit a string.
json::Value KeepAliveValue(const std::string& text);

// Columns of the terminal at `fd`; 0 when it is none, or does not say.
int TerminalColumns(int fd);

}  // namespace axollama::cli
