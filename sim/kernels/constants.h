// Numbers that all instruction sets must share to give the same bits.
//
// Constants only: files compiled with -m flags include this header, and an inline function shared
// with them could put their instructions into every program that links the room.
#pragma once

#include <cstddef>
#include <cstdint>

namespace axsim::kernels {

// exp(x) = 2^n * exp(r), n = round(x * log2 e), |r| <= ln2 / 2; the polynomial and the two-part
// ln2 are those of Cephes' expf (below 1.5 ulp). Adding kExpMagic leaves n in the low bits.
inline constexpr float kExpHigh = 88.3f;
inline constexpr float kExpLow = -87.3f;
inline constexpr float kLog2E = 1.44269504088896341f;
inline constexpr float kExpMagic = 12582912.0f;  // 1.5 * 2^23
inline constexpr float kMinusLn2High = -0.693359375f;
inline constexpr float kMinusLn2Low = 2.12194440e-4f;
inline constexpr float kExpPoly[6] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                      4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};

// gelu(x) = x * sigmoid(2 u), u = sqrt(2 / pi) * (x + 0.044715 x^3): the tanh form, exactly.
inline constexpr float kGeluTwoRootTwoOverPi = 1.59576912160573f;
inline constexpr float kGeluCubic = 0.044715f;

// Activations are quantised to -kMaxCode .. kMaxCode. A block whose largest magnitude is below
// kTiny counts as zero, so that kMaxCode / magnitude stays finite.
inline constexpr float kMaxCode = 32767.0f;
inline constexpr float kTiny = 1e-30f;
inline constexpr int32_t kInfinityBits = 0x7f800000;

// values[f][c] is code c of an s4 row, as a 4-bit two's complement number, times the factor f + 1.
struct S4Table {
  alignas(64) int8_t values[16][16];
};
inline constexpr S4Table kS4Table = [] {
  S4Table table{};
  for (int f = 0; f < 16; ++f) {
    for (int c = 0; c < 16; ++c) {
      table.values[f][c] = static_cast<int8_t>((c < 8 ? c : c - 16) * (f + 1));
    }
  }
  return table;
}();

}  // namespace axsim::kernels
