#include "shim/arguments.h"

#include <algorithm>
#include <charconv>

namespace axollama::shim {
namespace {

int64_t Number(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return std::max<int64_t>(number, 0);
}

}  // namespace

Arguments ReadArguments(const std::vector<std::string>& words) {
  Arguments out;
  int64_t all_tokens = 0;
  int64_t parallel = 1;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto value = [&]() -> std::string { return i + 1 < words.size() ? words[++i] : ""; };
    if (word == "--list-devices") out.list_devices = true;
    if (word == "--context-shift") out.shift = true;
    if (word == "--model" || word == "-m") out.model = value();
    if (word == "--host") out.host = value();
    if (word == "--port") out.port = value();
    if (word == "--ctx-size" || word == "-c") all_tokens = Number(value());
    if (word == "--parallel" || word == "-np") parallel = Number(value());
  }
  out.context_tokens = all_tokens / std::max<int64_t>(parallel, 1);
  return out;
}

}  // namespace axollama::shim
