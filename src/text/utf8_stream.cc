#include "text/utf8_stream.h"

#include <cstdint>

namespace axollama::text {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length of the character that `lead` begins; 0: none does (Unicode 15, table 3-7).
size_t CharacterLength(uint8_t lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// The second byte is what excludes overlong forms, surrogates and values above U+10FFFF.
bool Continues(uint8_t lead, size_t index, uint8_t byte) {
  uint8_t low = 0x80, high = 0xBF;
  if (index == 1) {
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  }
  return byte >= low && byte <= high;
}

}  // namespace

void Utf8Stream::Push(std::string_view bytes, std::string* out) {
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    if (size_ > 0) {
      if (Continues(static_cast<uint8_t>(held_[0]), size_, byte)) {
        held_[size_++] = c;
        if (size_ == length_) {
          out->append(held_.data(), size_);
          size_ = 0;
        }
        continue;
      }
      out->append(kReplacement);
      size_ = 0;
    }
    if (byte < 0x80) {
      out->push_back(c);
    } else if (const size_t length = CharacterLength(byte); length > 0) {
      held_[0] = c;
      size_ = 1;
      length_ = length;
    } else {
      out->append(kReplacement);
    }
  }
}

void Utf8Stream::Flush(std::string* out) {
  if (size_ > 0) out->append(kReplacement);
  size_ = 0;
}

}  // namespace axollama::text
