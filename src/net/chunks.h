// Takes a chunked body apart, as strictly as head.h reads heads. Private to the room.
//
// Ours, not Boost.Beast's, which takes "0x5" for the last chunk. Chunk extensions and trailers are
// read and dropped.
// Threads: one at a time. Source: RFC 9112, 7.1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "net/head.h"

namespace axollama::net {

class ChunkDecoder {
 public:
  // Appends what `data` holds of the body to *out and returns how many bytes of `data` were used.
  // The rest must be given again with more behind it, unless done().
  HeadResult<size_t> Feed(std::string_view data, std::string* out);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kSize, kData, kDataEnd, kTrailer, kDone };

  State state_ = State::kSize;
  uint64_t left_ = 0;  // of the chunk's data
  size_t trailer_bytes_ = 0;
};

}  // namespace axollama::net
