// `/set ...` of a chat: what it changes in the options of the requests that follow.
//
// Pure translation. Threads: plain functions.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/run_request.h"

namespace axollama::cli {

struct SettingReply {
  std::string text;  // what to print: a line or more, each with its end
  int history = -1;  // 0 off, 1 on, -1 as it was
};

// `words`: what follows "/set". kInvalid: a setting that there is not, or a value that it cannot
// have.
Result<SettingReply> ApplySetting(std::string_view words, RunOptions* options);

// The commands of a chat, for /? and /help.
std::string ChatHelp();

}  // namespace axollama::cli
