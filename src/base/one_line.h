// Text fit for one line of a terminal or a log, whatever a file or a client put into it.
// Threads: plain function.
#pragma once

#include <string>
#include <string_view>

namespace axollama {

// Control bytes, which could break the line or steer a terminal, become spaces; spaces at the end
// go; UTF-8 stays.
std::string OneLine(std::string_view text);

}  // namespace axollama
