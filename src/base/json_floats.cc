#include "base/json_floats.h"

#include <fmt/format.h>

#include <iterator>

namespace axollama::json {

void WriteFloatsTo(std::span<const float> values, std::string* out) {
  *out += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) *out += ',';
    fmt::format_to(std::back_inserter(*out), "{}", values[i]);
  }
  *out += ']';
}

}  // namespace axollama::json
