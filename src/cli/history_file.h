// The questions of earlier chats: a line each, the oldest first, in a file that only its owner can
// read.
//
// Several programs may add to it at the same time. Owner: the chat. Threads: one.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace axollama::cli {

class HistoryFile {
 public:
  explicit HistoryFile(std::filesystem::path path) : path_(std::move(path)) {}
  // $XDG_STATE_HOME/axollama/history, else ~/.local/state/axollama/history.
  static std::filesystem::path DefaultPath();

  // The last 1,000; none when there is no file. A file that has grown long is cut to them.
  Result<std::vector<std::string>> Read();
  Status Add(std::string_view line);

 private:
  const std::filesystem::path path_;
};

}  // namespace axollama::cli
