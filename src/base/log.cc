#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

#include "base/env.h"
#include "base/one_line.h"

namespace axollama::log {
namespace {

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kTrace:
      return spdlog::level::trace;
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarn:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
    case Level::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> MakeLogger(std::string_view process) {
  auto logger = std::make_shared<spdlog::logger>(std::string(process),
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %n %v");
  logger->set_level(spdlog::level::info);
  logger->flush_on(spdlog::level::trace);
  return logger;
}

// Never destroyed: a detached thread may still log while the process exits.
std::shared_ptr<spdlog::logger>& Logger() {
  static auto* logger = new std::shared_ptr<spdlog::logger>(MakeLogger("axollama"));
  return *logger;
}

Level LevelFromEnvironment() {
  if (const auto name = GetEnv("AXOLLAMA_LOG")) {
    if (*name == "trace") return Level::kTrace;
    if (*name == "debug") return Level::kDebug;
    if (*name == "warn") return Level::kWarn;
    if (*name == "error") return Level::kError;
    if (*name == "off") return Level::kOff;
    return Level::kInfo;
  }
  const auto debug = GetEnv("OLLAMA_DEBUG");
  if (!debug || *debug == "0" || *debug == "false") return Level::kInfo;
  return *debug == "2" ? Level::kTrace : Level::kDebug;
}

}  // namespace

void Init(std::string_view process) {
  Logger() = MakeLogger(process);
  SetLevel(LevelFromEnvironment());
}

void SetLevel(Level level) { Logger()->set_level(ToSpdlog(level)); }

bool Enabled(Level level) { return Logger()->should_log(ToSpdlog(level)); }

void Write(Level level, std::string_view room, std::string_view text) {
  Logger()->log(ToSpdlog(level), "[{}] {}", room, OneLine(text));
}

}  // namespace axollama::log
