// SHA-256 (FIPS 180-4), as 64 lower-case hex digits. Threads: plain values, one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace axollama {

// Of bytes that come in pieces: about 200 MB/s.
class Sha256 {
 public:
  void Update(std::string_view bytes);
  // Of everything so far. The object is used up.
  std::string Hex();

 private:
  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> block_;
  size_t filled_ = 0;  // bytes of block_
  uint64_t size_bytes_ = 0;
};

std::string Sha256Hex(std::string_view bytes);

}  // namespace axollama
