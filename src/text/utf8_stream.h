// Makes valid UTF-8 of a byte stream that is cut anywhere: a token may end inside a character.
//
// An incomplete character at the end is held back until its rest arrives; bytes that can be no part
// of a character become U+FFFD, one for each maximal part of a character, as Python and the WHATWG
// do it.
// Owner: the caller, one per stream. Threads: one at a time. Allocates only when `out` must grow.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace axollama::text {

class Utf8Stream {
 public:
  // Appends to `out` what is complete after `bytes`.
  void Push(std::string_view bytes, std::string* out);
  // The stream is over: what was held back becomes U+FFFD.
  void Flush(std::string* out);
  // Bytes held back, at most 3.
  size_t pending_bytes() const { return size_; }

 private:
  std::array<char, 4> held_{};
  size_t size_ = 0;    // bytes in held_
  size_t length_ = 0;  // of the character that held_ begins, when size_ > 0
};

}  // namespace axollama::text
