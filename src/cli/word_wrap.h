// Text that comes in pieces, for a terminal: lines break between words, and nothing in the text can
// steer the terminal.
//
// A word is held back until it ends, since only then it is known on which line it fits. Returns
// what to write. Owner: one answer. Threads: one. Widths are those of wcwidth: the caller has set a
// UTF-8 locale.
#pragma once

#include <string>
#include <string_view>

namespace axollama::cli {

class WordWrap {
 public:
  // `columns` 0: lines are not broken, words not held back.
  explicit WordWrap(int columns) : columns_(columns) {}

  // Whole UTF-8 characters.
  std::string Push(std::string_view text);
  // What was held back. The next text begins where this one ended.
  std::string Flush();

 private:
  void EndWord(std::string* out);

  const int columns_;
  int column_ = 0;      // where the next character of the line goes
  std::string spaces_;  // before the word
  int spaces_width_ = 0;
  std::string word_;
  int word_width_ = 0;
};

// Control characters other than line ends and tabs become U+FFFD, carriage returns go.
std::string TerminalText(std::string_view text);

}  // namespace axollama::cli
