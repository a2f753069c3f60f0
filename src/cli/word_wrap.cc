#include "cli/word_wrap.h"

#include <wchar.h>

#include <algorithm>

namespace axollama::cli {
namespace {

constexpr int kTabColumns = 8;

// The first character of `text`: how many bytes it has, and its code point. What is no UTF-8 is a
// byte by itself.
size_t Decode(std::string_view text, wchar_t* code) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  const size_t length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
  *code = static_cast<wchar_t>(lead);
  if (length == 1 || text.size() < length) return 1;
  unsigned value = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 1;
    value = value << 6 | (byte(i) & 0x3f);
  }
  *code = static_cast<wchar_t>(value);
  return length;
}

}  // namespace

std::string TerminalText(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    wchar_t code = 0;
    const size_t length = Decode(text, &code);
    const bool control = (code < 0x20 && code != '\n' && code != '\t') ||
                         (code >= 0x7f && code < 0xa0) ||  // DEL and C1
                         (length == 1 && code > 0x7f);     // no UTF-8
    if (!control) {
      out += text.substr(0, length);
    } else if (code != '\r') {
      out += "\xef\xbf\xbd";
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string WordWrap::Push(std::string_view text) {
  const std::string clean = TerminalText(text);
  if (columns_ == 0) return clean;
  std::string out;
  std::string_view left = clean;
  while (!left.empty()) {
    wchar_t code = 0;
    const size_t length = Decode(left, &code);
    const std::string_view character = left.substr(0, length);
    left.remove_prefix(length);
    if (code == '\n') {
      out += Flush();
      out += '\n';
      column_ = 0;
      continue;
    }
    if (code == ' ' || code == '\t') {
      EndWord(&out);
      spaces_ += character;
      spaces_width_ += code == '\t' ? kTabColumns : 1;
      continue;
    }
    const int told = wcwidth(code);
    const int width = told < 0 ? 1 : told;
    // Between wide characters, such as Chinese ones, a line may break anywhere; so must a word that
    // is longer than a line.
    if (width > 1 || word_width_ + width > columns_) EndWord(&out);
    word_ += character;
    word_width_ += width;
    if (width > 1) EndWord(&out);
  }
  return out;
}

void WordWrap::EndWord(std::string* out) {
  if (word_.empty()) return;
  if (column_ > 0 && column_ + spaces_width_ + word_width_ > columns_) {
    *out += '\n';
    column_ = 0;
  } else {
    *out += spaces_;
    column_ += spaces_width_;
  }
  *out += word_;
  column_ += word_width_;
  spaces_.clear();
  spaces_width_ = 0;
  word_.clear();
  word_width_ = 0;
}

std::string WordWrap::Flush() {
  std::string out;
  EndWord(&out);
  if (column_ + spaces_width_ <= columns_) {
    out += spaces_;
    column_ += spaces_width_;
  }
  spaces_.clear();
  spaces_width_ = 0;
  return out;
}

}  // namespace axollama::cli
