// What can be set for `axollama serve`, once for every way of setting it.
//
// A setting called max_queue is `--max-queue` on the command line, AXOLLAMA_MAX_QUEUE in the
// environment, "max_queue" in the configuration file, and maybe has a name of Ollama's too.
// Owner and threads: constant values, plain functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/settings.h"

namespace axollama::server {

using SettingValues = std::vector<std::string>;

struct Setting {
  std::string_view name;
  std::string_view ollama;  // "OLLAMA_MAX_QUEUE"; empty: Ollama has none
  std::string_view unset;   // the default, as text; a list's in the form of the environment
  std::string_view help;    // one line; what it is, for --help
  char separator = 0;       // of a list in the environment; 0: one value
  bool exported = false;    // others read it from the environment
  bool exact = false;       // a bad value in the environment ends the start, too
  Status (*set)(Settings* out, const SettingValues& values) = nullptr;  // errors: what is wrong

  std::string Flag() const;         // "--max-queue"
  std::string Environment() const;  // "AXOLLAMA_MAX_QUEUE"
};

std::span<const Setting> SettingTable();

// The text of an environment variable as values: a list is split, empty parts are left out.
SettingValues SplitSetting(const Setting& setting, std::string_view text);
// What Ollama's variable says, in our words: OLLAMA_HOST becomes an address to listen on.
std::string FromOllama(const Setting& setting, std::string_view text);

// Ollama's variables that change nothing here although somebody may have set them, and why.
struct UnusedVariable {
  const char* name;
  std::string_view why;
};
std::span<const UnusedVariable> UnusedVariables();

}  // namespace axollama::server
