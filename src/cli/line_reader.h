// Lines that a person types: edited and remembered on a terminal, read as they come elsewhere.
//
// Owner: the chat. Threads: one. On a terminal libedit does the editing; its history is of this
// session and of those in the history file.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/signals.h"

namespace axollama::cli {

enum class LineEnd {
  kLine,
  kInterrupted,  // Ctrl-C: what was typed is gone
  kEnd,          // Ctrl-D, or the end of input
};

class LineReader {
 public:
  virtual ~LineReader() = default;
  // Prints the prompt and waits. `line` is without its end.
  virtual Result<LineEnd> Read(std::string_view prompt, std::string* line) = 0;
  // Whether lines from now on are remembered.
  virtual void SetHistory(bool on) = 0;

  // Editing on the terminal `in`, which shows what is written to `out`. `history`: the file.
  static std::unique_ptr<LineReader> Editing(int in, int out, std::filesystem::path history,
                                             Signals& signals);
  // Standard input and output as they are.
  static std::unique_ptr<LineReader> Plain(Signals& signals);
};

}  // namespace axollama::cli
