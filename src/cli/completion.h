// Shell completion: scripts that are made from the table of commands.
//
// A script asks the program itself for what changes: options are those that `COMMAND --help` names,
// models those that `axollama list` prints. Threads: plain functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::cli {

enum class Operand { kNone, kModel, kFile };  // what a command's words are

struct CommandInfo {
  std::string_view name;
  std::string_view help;  // empty: not for people, left out
  Operand operand = Operand::kNone;
};

// `shell`: bash, zsh or fish. Another one is kInvalid.
Result<std::string> CompletionScript(std::string_view shell, std::span<const CommandInfo> commands);

// `axollama completion SHELL`: prints the script.
int CompletionMain(int argc, char** argv, std::span<const CommandInfo> commands);

}  // namespace axollama::cli
