// Messages of several lines: from """ to the next """ at the end of a line.
//
// Also after `/set system `. Owner: the chat. Threads: one.
#pragma once

#include <string>
#include <string_view>

namespace axollama::cli {

class Multiline {
 public:
  // Whether the message is whole now: then *message has it, without the quotes.
  bool Add(std::string_view line, std::string* message);
  // Whether more lines belong to the message.
  bool open() const { return open_; }
  // Of an interrupted message: nothing.
  void Clear();

 private:
  bool open_ = false;
  std::string text_;
};

}  // namespace axollama::cli
