#include "base/one_line.h"

namespace axollama {

std::string OneLine(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
  }
  // CLI11 ends some of its messages with a line end.
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace axollama
