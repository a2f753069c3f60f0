// Scalar forms of the shared arithmetic. Never included by a folder that has -m flags.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "sim/kernels/constants.h"
#include "sim/kernels/kernels.h"

namespace axsim::kernels::scalar {

inline float FromBf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

inline float SumLanes(const float* l) {
  return ((l[0] + l[1]) + (l[2] + l[3])) + ((l[4] + l[5]) + (l[6] + l[7]));
}

// NaN stays NaN: each comparison is written so that it lets NaN through.
inline float Exp(float x) {
  x = kExpHigh < x ? kExpHigh : x;
  x = kExpLow > x ? kExpLow : x;
  const float t = std::fma(x, kLog2E, kExpMagic);
  const float n = t - kExpMagic;
  float r = std::fma(n, kMinusLn2High, x);
  r = std::fma(n, kMinusLn2Low, r);
  float p = kExpPoly[0];
  for (int i = 1; i < 6; ++i) p = std::fma(p, r, kExpPoly[i]);
  p = std::fma(p * r, r, r) + 1.0f;
  return p * std::bit_cast<float>((std::bit_cast<uint32_t>(t) << 23) + 0x3f800000u);
}

}  // namespace axsim::kernels::scalar
