// An answer as it is shown: the thinking apart from what was thought, lines broken at the
// terminal's width.
//
// Returns what to write to standard output. Owner: one answer. Threads: one.
#pragma once

#include <string>
#include <string_view>

#include "cli/word_wrap.h"

namespace axollama::cli {

struct ViewOptions {
  bool terminal = false;  // else the answer goes out byte by byte as it came
  int columns = 0;        // where lines break; 0: nowhere
  bool hide_thinking = false;
};

class AnswerView {
 public:
  explicit AnswerView(const ViewOptions& options) : options_(options), wrap_(options.columns) {}

  // A piece of the answer: what was thought comes before what is said.
  std::string Piece(std::string_view thinking, std::string_view content);
  // Once, also after an interrupt: the terminal is as before.
  std::string End();

 private:
  std::string Thinking(std::string_view text);
  std::string Content(std::string_view text);
  std::string Shown(std::string_view text);
  std::string EndThinking();

  const ViewOptions options_;
  WordWrap wrap_;
  bool thinking_ = false;
};

}  // namespace axollama::cli
