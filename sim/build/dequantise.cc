#include "sim/build/dequantise.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/bf16.h"

namespace axsim::build {
namespace {

constexpr size_t kBlock = 32;

uint16_t Load16(const std::byte* at) {
  uint16_t bits;
  memcpy(&bits, at, sizeof bits);
  return bits;
}

// A block of 18 bytes: scale f16, 16 bytes of two codes each; the low halves come first.
void Q4_0(const std::byte* block, float* out) {
  const float scale = HalfToFloat(Load16(block));
  for (size_t i = 0; i < kBlock / 2; ++i) {
    const int codes = static_cast<int>(block[2 + i]);
    out[i] = static_cast<float>((codes & 15) - 8) * scale;
    out[i + kBlock / 2] = static_cast<float>((codes >> 4) - 8) * scale;
  }
}

// 20 bytes: scale f16, minimum f16, codes as above.
void Q4_1(const std::byte* block, float* out) {
  const float scale = HalfToFloat(Load16(block));
  const float minimum = HalfToFloat(Load16(block + 2));
  for (size_t i = 0; i < kBlock / 2; ++i) {
    const int codes = static_cast<int>(block[4 + i]);
    out[i] = static_cast<float>(codes & 15) * scale + minimum;
    out[i + kBlock / 2] = static_cast<float>(codes >> 4) * scale + minimum;
  }
}

// 34 bytes: scale f16, 32 codes.
void Q8_0(const std::byte* block, float* out) {
  const float scale = HalfToFloat(Load16(block));
  for (size_t i = 0; i < kBlock; ++i) {
    out[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * scale;
  }
}

}  // namespace

float HalfToFloat(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31u;
  const uint32_t fraction = bits & 1023u;
  if (exponent == 0) {  // zero and subnormal: fraction * 2^-24, exact in a float
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  const uint32_t wide = exponent == 31 ? 0x7f800000u : (exponent + 112) << 23;
  return std::bit_cast<float>(sign | wide | (fraction << 13));
}

void DequantiseRow(const GgufTensor& tensor, uint64_t row, std::span<float> out) {
  const std::byte* at = tensor.data.data() + row * tensor.row_bytes();
  const size_t cols = tensor.cols();
  switch (tensor.type) {
    case TensorType::kF32:
      memcpy(out.data(), at, cols * sizeof(float));
      return;
    case TensorType::kF16:
      for (size_t i = 0; i < cols; ++i) out[i] = HalfToFloat(Load16(at + 2 * i));
      return;
    case TensorType::kBf16:
      for (size_t i = 0; i < cols; ++i) out[i] = axollama::Bf16ToFloat(Load16(at + 2 * i));
      return;
    case TensorType::kQ4_0:
      for (size_t i = 0; i < cols; i += kBlock, at += 18) Q4_0(at, &out[i]);
      return;
    case TensorType::kQ4_1:
      for (size_t i = 0; i < cols; i += kBlock, at += 20) Q4_1(at, &out[i]);
      return;
    case TensorType::kQ8_0:
      for (size_t i = 0; i < cols; i += kBlock, at += 34) Q8_0(at, &out[i]);
      return;
  }
}

}  // namespace axsim::build
