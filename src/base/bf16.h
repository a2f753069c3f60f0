// bfloat16 as device and embedding tables store it: the upper half of a float. Threads: any.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace axollama {

inline float Bf16ToFloat(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// to[i] is from[i], all of them; `to` is at least as long. In blocks of one size, of which
// compilers make wide instructions.
inline void Bf16ToFloats(std::span<const uint16_t> from, float* to) {
  constexpr size_t kBlock = 32;
  size_t at = 0;
  for (; at + kBlock <= from.size(); at += kBlock) {
    for (size_t i = 0; i < kBlock; ++i) to[at + i] = Bf16ToFloat(from[at + i]);
  }
  for (; at < from.size(); ++at) to[at] = Bf16ToFloat(from[at]);
}

// Round to nearest, ties to even; NaN stays NaN.
inline uint16_t FloatToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace axollama
