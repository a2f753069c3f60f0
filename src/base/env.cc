#include "base/env.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

namespace axollama {
namespace {

std::filesystem::path UserHome() {
  if (const auto home = GetEnv("HOME")) return *home;
  const passwd* user = getpwuid(getuid());
  return user != nullptr && user->pw_dir != nullptr ? user->pw_dir : "/";
}

}  // namespace

std::optional<std::string> GetEnv(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

bool IsEnvOn(const char* name) {
  constexpr std::string_view kOff[] = {"0", "f", "F", "false", "FALSE", "False"};
  const auto value = GetEnv(name);
  return value && std::find(std::begin(kOff), std::end(kOff), *value) == std::end(kOff);
}

std::filesystem::path HomeDir() {
  if (const auto home = GetEnv("AXOLLAMA_HOME")) return *home;
  if (const auto data = GetEnv("XDG_DATA_HOME")) return std::filesystem::path(*data) / "axollama";
  return UserHome() / ".local/share/axollama";
}

std::filesystem::path CacheDir() {
  if (const auto cache = GetEnv("XDG_CACHE_HOME")) {
    return std::filesystem::path(*cache) / "axollama";
  }
  return UserHome() / ".cache/axollama";
}

std::filesystem::path StateDir() {
  if (const auto state = GetEnv("XDG_STATE_HOME")) {
    return std::filesystem::path(*state) / "axollama";
  }
  return UserHome() / ".local/state/axollama";
}

std::filesystem::path RuntimeDir() {
  if (const auto runtime = GetEnv("AXOLLAMA_RUNTIME_DIR")) return *runtime;
  if (const auto runtime = GetEnv("XDG_RUNTIME_DIR")) {
    return std::filesystem::path(*runtime) / "axollama";
  }
  return fmt::format("/tmp/axollama-{}", getuid());
}

}  // namespace axollama
