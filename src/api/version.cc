#include "api/version.h"

#include <algorithm>

namespace axollama::api {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsIdentifier(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

// Takes a number without leading zeros off the begin.
bool TakeNumber(std::string_view* text) {
  const size_t length =
      static_cast<size_t>(std::find_if_not(text->begin(), text->end(), IsDigit) - text->begin());
  if (length == 0 || (length > 1 && text->front() == '0')) return false;
  text->remove_prefix(length);
  return true;
}

// Identifiers with dots between them, to `end` or the text's end.
bool TakeIdentifiers(char end, bool numbers_may_begin_with_zero, std::string_view* text) {
  while (true) {
    const size_t length = static_cast<size_t>(
        std::find_if_not(text->begin(), text->end(), IsIdentifier) - text->begin());
    if (length == 0) return false;
    const std::string_view word = text->substr(0, length);
    const bool number = std::all_of(word.begin(), word.end(), IsDigit);
    if (number && length > 1 && word.front() == '0' && !numbers_may_begin_with_zero) return false;
    text->remove_prefix(length);
    if (text->empty() || text->front() == end) return true;
    if (text->front() != '.') return false;
    text->remove_prefix(1);
  }
}

bool IsVersion(std::string_view text) {
  for (int part = 0; part < 3; ++part) {
    if (part > 0) {
      if (text.empty()) return true;  // 1 and 1.2 are short for 1.0.0 and 1.2.0
      if (text.front() != '.') return false;
      text.remove_prefix(1);
    }
    if (!TakeNumber(&text)) return false;
  }
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    if (!TakeIdentifiers('+', false, &text)) return false;
  }
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (!TakeIdentifiers('\0', true, &text)) return false;
  }
  return text.empty();
}

}  // namespace

Result<std::string> ParseVersion(std::string_view text) {
  if (text.starts_with('v')) text.remove_prefix(1);
  if (!IsVersion(text)) {
    return Fail(ErrorKind::kInvalid, "requires must be a valid semver (e.g. 0.14.0)");
  }
  return std::string(text);
}

}  // namespace axollama::api
