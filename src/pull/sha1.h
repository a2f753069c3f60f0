// SHA-1 (FIPS 180-4), as 40 lower-case hex digits: git names files by it. It tells a damaged file
// from a whole one, not a forged one. Threads: plain values, one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace axollama::pull {

class Sha1 {
 public:
  void Update(std::string_view bytes);
  // Of everything so far. The object is used up.
  std::string Hex();

 private:
  void Block(const unsigned char* block);

  std::array<uint32_t, 5> state_ = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  std::array<unsigned char, 64> block_;
  size_t filled_ = 0;  // bytes of block_
  uint64_t size_bytes_ = 0;
};

}  // namespace axollama::pull
