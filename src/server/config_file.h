// The configuration file of `axollama serve`: one JSON object, a key for each setting.
//
// Which file: --config, else AXOLLAMA_CONFIG, else the first of $XDG_CONFIG_HOME/axollama/
// config.json (~/.config without the variable) and /etc/axollama/config.json that is there.
// Owner and threads: plain values.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "server/setting_table.h"

namespace axollama::server {

struct ConfigFile {
  std::filesystem::path path;                   // empty: there is none
  std::map<std::string, SettingValues> values;  // by setting
};

// `given`: of --config. A file that was named must be there. Errors name the file and the key:
// unknown keys, values of a wrong type, a list where one value is meant.
Result<ConfigFile> ReadConfigFile(const std::optional<std::string>& given);

}  // namespace axollama::server
