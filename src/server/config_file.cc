#include "server/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/env.h"
#include "base/file.h"
#include "base/json.h"
#include "base/one_line.h"

namespace axollama::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxBytes = 1u << 20;
constexpr size_t kMaxShownKey = 100;

fs::path UsersConfig() {
  if (const auto config = GetEnv("XDG_CONFIG_HOME")) return fs::path(*config) / "axollama";
  if (const auto home = GetEnv("HOME")) return fs::path(*home) / ".config" / "axollama";
  return {};
}

fs::path FindFile() {
  for (const fs::path& folder : {UsersConfig(), fs::path("/etc/axollama")}) {
    std::error_code error;
    if (!folder.empty() && fs::exists(folder / "config.json", error)) return folder / "config.json";
  }
  return {};
}

Result<std::string> OneValue(const json::Value& value) {
  if (value.is_string()) return std::string(json::View(value.get_string()));
  if (value.is_number() || value.is_bool()) return json::Write(value);
  return Fail(ErrorKind::kInvalid, "must be a string or a number");
}

Result<SettingValues> Values(const Setting& setting, const json::Value& value) {
  SettingValues out;
  if (!value.is_array()) {
    AX_ASSIGN_OR_RETURN(std::string one, OneValue(value));
    out.push_back(std::move(one));
    return out;
  }
  if (setting.separator == 0) return Fail(ErrorKind::kInvalid, "must be one value, not a list");
  for (const json::Value& part : value.get_array()) {
    AX_ASSIGN_OR_RETURN(std::string one, OneValue(part));
    out.push_back(std::move(one));
  }
  return out;
}

std::string KnownKeys() {
  std::string out;
  for (const Setting& setting : SettingTable()) {
    if (!out.empty()) out += ", ";
    out += setting.name;
  }
  return out;
}

}  // namespace

Result<ConfigFile> ReadConfigFile(const std::optional<std::string>& given) {
  ConfigFile out;
  const std::optional<std::string> named = given ? given : GetEnv("AXOLLAMA_CONFIG");
  out.path = named ? fs::path(*named) : FindFile();
  if (out.path.empty()) return out;
  const std::string name = out.path.string();
  AX_ASSIGN_OR_RETURN(const std::string text, ReadFile(out.path, kMaxBytes));
  const auto object = json::ParseObject(text, name);
  if (!object)
    return Fail(ErrorKind::kInvalid, fmt::format("{}: {}", name, object.error().message));
  for (const auto& [key, value] : *object) {
    const auto table = SettingTable();
    const std::string_view wanted(key.data(), key.size());
    const auto setting = std::find_if(table.begin(), table.end(),
                                      [&](const Setting& s) { return s.name == wanted; });
    if (setting == table.end()) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{}: there is no setting \"{}\"; there are {}", name,
                              OneLine(wanted.substr(0, kMaxShownKey)), KnownKeys()));
    }
    auto values = Values(*setting, value);
    if (!values) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{}: \"{}\" {}", name, wanted, values.error().message));
    }
    out.values[std::string(wanted)] = std::move(*values);
  }
  return out;
}

}  // namespace axollama::server
