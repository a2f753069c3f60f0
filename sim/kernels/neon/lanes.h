// Register helpers of this folder: internal linkage, as in the other folders.
#pragma once

#include <arm_neon.h>

#include "sim/kernels/constants.h"
#include "sim/kernels/kernels.h"

namespace axsim::kernels::neon {
namespace {

// kLanes floats.
struct F8 {
  float32x4_t low, high;
};

[[maybe_unused]] inline F8 Zero8() { return {vdupq_n_f32(0), vdupq_n_f32(0)}; }

[[maybe_unused]] inline F8 Load8(const float* p) { return {vld1q_f32(p), vld1q_f32(p + 4)}; }

// The first n < 8, and zeros.
[[maybe_unused]] inline F8 LoadTail(const float* p, size_t n) {
  float values[8] = {};
  for (size_t i = 0; i < n; ++i) values[i] = p[i];
  return Load8(values);
}

[[maybe_unused]] inline void Store8(float* p, F8 v) {
  vst1q_f32(p, v.low);
  vst1q_f32(p + 4, v.high);
}

[[maybe_unused]] inline void StoreTail(float* p, F8 v, size_t n) {
  float values[8];
  Store8(values, v);
  for (size_t i = 0; i < n; ++i) p[i] = values[i];
}

[[maybe_unused]] inline F8 LoadBf16(const uint16_t* p) {
  const uint16x8_t raw = vld1q_u16(p);
  return {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(raw), 16)),
          vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(raw), 16))};
}

[[maybe_unused]] inline F8 LoadBf16Tail(const uint16_t* p, size_t n) {
  uint16_t values[8] = {};
  for (size_t i = 0; i < n; ++i) values[i] = p[i];
  return LoadBf16(values);
}

// acc + a * b, fused.
[[maybe_unused]] inline F8 Fma(F8 acc, F8 a, F8 b) {
  return {vfmaq_f32(acc.low, a.low, b.low), vfmaq_f32(acc.high, a.high, b.high)};
}

// In the order of kernels.h.
[[maybe_unused]] inline float SumLanes(F8 v) {
  const float32x4_t pairs = vpaddq_f32(v.low, v.high);
  const float32x4_t quads = vpaddq_f32(pairs, pairs);
  return vgetq_lane_f32(quads, 0) + vgetq_lane_f32(quads, 1);
}

[[maybe_unused]] inline int32x4_t SumLanes4(const int32x4_t v[4]) {
  return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
}

// Step for step scalar/math.h.
[[maybe_unused]] inline float32x4_t Exp(float32x4_t x) {
  const float32x4_t most = vdupq_n_f32(kExpHigh), least = vdupq_n_f32(kExpLow);
  x = vbslq_f32(vcltq_f32(most, x), most, x);
  x = vbslq_f32(vcgtq_f32(least, x), least, x);
  const float32x4_t magic = vdupq_n_f32(kExpMagic);
  const float32x4_t t = vfmaq_f32(magic, x, vdupq_n_f32(kLog2E));
  const float32x4_t n = vsubq_f32(t, magic);
  float32x4_t r = vfmaq_f32(x, n, vdupq_n_f32(kMinusLn2High));
  r = vfmaq_f32(r, n, vdupq_n_f32(kMinusLn2Low));
  float32x4_t p = vdupq_n_f32(kExpPoly[0]);
  for (int i = 1; i < 6; ++i) p = vfmaq_f32(vdupq_n_f32(kExpPoly[i]), p, r);
  p = vaddq_f32(vfmaq_f32(r, vmulq_f32(p, r), r), vdupq_n_f32(1.0f));
  const int32x4_t power =
      vaddq_s32(vshlq_n_s32(vreinterpretq_s32_f32(t), 23), vdupq_n_s32(0x3f800000));
  return vmulq_f32(p, vreinterpretq_f32_s32(power));
}

}  // namespace
}  // namespace axsim::kernels::neon
