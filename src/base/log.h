// The log: one line per event on standard error, `time level [room] text`.
//
// Owner: process-wide; Init once in main, before threads. Without it the level is info.
// Threads: any. Level names: trace, debug, info, warn, error, off.
#pragma once

#include <fmt/core.h>

#include <string_view>

namespace axollama::log {

enum class Level { kTrace, kDebug, kInfo, kWarn, kError, kOff };

// `process` ("serve", "runner smollm2:135m") stands in every line, since several processes share
// one standard error. The level comes from AXOLLAMA_LOG (a level's name), else from OLLAMA_DEBUG
// (1 debug, 2 trace), else it is info.
void Init(std::string_view process);
void SetLevel(Level level);
bool Enabled(Level level);
void Write(Level level, std::string_view room, std::string_view text);

template <typename... Args>
void Debug(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(Level::kDebug)) {
    Write(Level::kDebug, room, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void Info(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(Level::kInfo)) {
    Write(Level::kInfo, room, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void Warn(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(Level::kWarn)) {
    Write(Level::kWarn, room, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void Error(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (Enabled(Level::kError)) {
    Write(Level::kError, room, fmt::format(format, std::forward<Args>(args)...));
  }
}

}  // namespace axollama::log
