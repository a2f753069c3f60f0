#include "net/chunks.h"

#include <fmt/format.h>

#include <algorithm>

namespace axollama::net {
namespace {

constexpr size_t kMaxSizeLineBytes = 1024;  // a size and its extensions
constexpr size_t kMaxSizeDigits = 15;       // below 2^60: no sum of sizes overflows

tl::unexpected<HeadError> Bad(const char* what) {
  return tl::unexpected<HeadError>(HeadError{400, std::string("malformed chunked body: ") + what});
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The line at the front of `data`, up to its CR LF, which may not have arrived yet.
struct Line {
  std::string_view text;
  bool complete = false;
  bool bad = false;  // a byte that no line may hold
};

Line FirstLine(std::string_view data) {
  for (size_t at = 0; at < data.size(); ++at) {
    const unsigned char c = static_cast<unsigned char>(data[at]);
    if (c == '\r') {
      if (at + 1 == data.size()) return {data.substr(0, at), false, false};
      return {data.substr(0, at), data[at + 1] == '\n', data[at + 1] != '\n'};
    }
    if ((c < 0x20 && c != '\t') || c == 0x7f) return {data.substr(0, at), false, true};
  }
  return {data, false, false};
}

// Digits, then nothing or `;` and extensions. An incomplete line is judged by what is there.
bool ParseSize(std::string_view line, bool complete, uint64_t* size) {
  size_t digits = 0;
  *size = 0;
  while (digits < line.size() && HexValue(line[digits]) >= 0) {
    *size = *size * 16 + static_cast<uint64_t>(HexValue(line[digits]));
    if (++digits > kMaxSizeDigits) return false;
  }
  if (digits == line.size()) return digits > 0 || !complete;
  return digits > 0 && line[digits] == ';';
}

bool GoodTrailer(std::string_view line, bool complete) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos && complete) return false;
  return colon != 0 && line.substr(0, colon).find_first_of(" \t") == std::string_view::npos;
}

}  // namespace

HeadResult<size_t> ChunkDecoder::Feed(std::string_view data, std::string* out) {
  size_t used = 0;
  for (;;) {
    const std::string_view rest = data.substr(used);
    switch (state_) {
      case State::kSize: {
        const Line line = FirstLine(rest);
        if (line.bad || !ParseSize(line.text, line.complete, &left_)) {
          return Bad("a chunk's size is wrong");
        }
        if (line.text.size() > kMaxSizeLineBytes) return Bad("a chunk's header is too long");
        if (!line.complete) return used;
        used += line.text.size() + 2;
        state_ = left_ == 0 ? State::kTrailer : State::kData;
        break;
      }
      case State::kData: {
        const size_t n = static_cast<size_t>(std::min<uint64_t>(left_, rest.size()));
        out->append(rest.substr(0, n));
        used += n;
        left_ -= n;
        if (left_ > 0) return used;
        state_ = State::kDataEnd;
        break;
      }
      case State::kDataEnd:
        if (rest.substr(0, 2) != std::string_view("\r\n").substr(0, rest.size())) {
          return Bad("a chunk is longer than its size");
        }
        if (rest.size() < 2) return used;
        used += 2;
        state_ = State::kSize;
        break;
      case State::kTrailer: {
        const Line line = FirstLine(rest);
        if (line.bad || (!line.text.empty() && !GoodTrailer(line.text, line.complete))) {
          return Bad("a trailer is wrong");
        }
        if (trailer_bytes_ + line.text.size() > kMaxHeadBytes)
          return Bad("its trailer is too long");
        if (!line.complete) return used;
        trailer_bytes_ += line.text.size() + 2;
        used += line.text.size() + 2;
        if (line.text.empty()) state_ = State::kDone;
        break;
      }
      case State::kDone:
        return used;
    }
  }
}

}  // namespace axollama::net
