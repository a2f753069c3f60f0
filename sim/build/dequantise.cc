#include "sim/build/dequantise.h"

#include <cstring>

#include "base/bf16.h"
#include "base/half.h"

namespace axsim::build {
namespace {

using axollama::HalfToFloat;

constexpr size_t kBlock = 32;
constexpr size_t kSuper = 256;  // values of a block of the K types

uint16_t Load16(const std::byte* at) {
  uint16_t bits;
  memcpy(&bits, at, sizeof bits);
  return bits;
}

uint32_t Load32(const std::byte* at) {
  uint32_t bits;
  memcpy(&bits, at, sizeof bits);
  return bits;
}

int Byte(const std::byte* at) { return static_cast<int>(*at); }

// `value` where bit `index` of `bits` is set, else 0.
int Bit(uint32_t bits, size_t index, int value) { return (bits >> index & 1) != 0 ? value : 0; }

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

// 22 bytes: scale f16, the fifth bits of the 32 codes (bit i: code i), low halves as above.
void Q5_0(const std::byte* block, float* out) {
  const float scale = HalfToFloat(Load16(block));
  const uint32_t high = Load32(block + 2);
  for (size_t i = 0; i < kBlock / 2; ++i) {
    const int codes = static_cast<int>(block[6 + i]);
    out[i] = static_cast<float>(((codes & 15) | Bit(high, i, 16)) - 16) * scale;
    out[i + kBlock / 2] =
        static_cast<float>(((codes >> 4) | Bit(high, i + kBlock / 2, 16)) - 16) * scale;
  }
}

// 24 bytes: scale f16, minimum f16, then as Q5_0.
void Q5_1(const std::byte* block, float* out) {
  const float scale = HalfToFloat(Load16(block));
  const float minimum = HalfToFloat(Load16(block + 2));
  const uint32_t high = Load32(block + 4);
  for (size_t i = 0; i < kBlock / 2; ++i) {
    const int codes = static_cast<int>(block[8 + i]);
    out[i] = static_cast<float>((codes & 15) | Bit(high, i, 16)) * scale + minimum;
    out[i + kBlock / 2] =
        static_cast<float>((codes >> 4) | Bit(high, i + kBlock / 2, 16)) * scale + minimum;
  }
}

// 34 bytes: scale f16, 32 codes.
void Q8_0(const std::byte* block, float* out) {
  const float scale = HalfToFloat(Load16(block));
  for (size_t i = 0; i < kBlock; ++i) {
    out[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * scale;
  }
}

// 18 bytes: scale f16, codes as in Q4_0, which choose from a table of unequal steps.
void Iq4Nl(const std::byte* block, float* out) {
  static constexpr float kValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113};
  const float scale = HalfToFloat(Load16(block));
  for (size_t i = 0; i < kBlock / 2; ++i) {
    const int codes = Byte(block + 2 + i);
    out[i] = kValues[codes & 15] * scale;
    out[i + kBlock / 2] = kValues[codes >> 4] * scale;
  }
}

// The K types: 256 values, whose parts have small integer scales below one or two f16 scales.

// 84 bytes: for each 16 values a byte of scale (low half) and minimum (high half); 2-bit codes; f16
// scale of the scales, f16 scale of the minima. Of 32 code bytes, bits 2k and 2k + 1 hold the k-th
// run of 32 values.
void Q2K(const std::byte* block, float* out) {
  const float scale = HalfToFloat(Load16(block + 80));
  const float minimum = HalfToFloat(Load16(block + 82));
  for (size_t i = 0; i < kSuper; ++i) {
    const int part = Byte(block + i / 16);
    const int code = Byte(block + 16 + i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2) & 3;
    out[i] = scale * static_cast<float>(part & 15) * static_cast<float>(code) -
             minimum * static_cast<float>(part >> 4);
  }
}

// 110 bytes: 32 bytes of third bits (bit k of byte j: value 32 k + j; 0 subtracts 4), 2-bit codes
// as in Q2_K, sixteen 6-bit scales biased by 32 (low halves in 8 bytes, upper bits in 4), f16
// scale.
void Q3K(const std::byte* block, float* out) {
  const std::byte* low = block + 96;
  const float scale = HalfToFloat(Load16(block + 108));
  for (size_t i = 0; i < kSuper; ++i) {
    const size_t part = i / 16;
    const int low_bits = Byte(low + part % 8) >> (part / 8 * 4) & 15;
    const int high_bits = Byte(low + 8 + part % 4) >> (part / 4 * 2) & 3;
    const float part_scale = scale * static_cast<float>((low_bits | high_bits << 4) - 32);
    const int code = Byte(block + 32 + i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2) & 3;
    const int third = Byte(block + i % 32) >> (i / 32) & 1;
    out[i] = part_scale * static_cast<float>(third != 0 ? code : code - 4);
  }
}

// The 12 bytes of eight 6-bit scales and minima of Q4_K and Q5_K: four scales, four minima, whose
// two upper bits belong to the other four, and four bytes of those others' halves.
struct ScaleAndMinimum {
  int scale;
  int minimum;
};
ScaleAndMinimum Unpack(const std::byte* packed, size_t part) {
  if (part < 4) return {Byte(packed + part) & 63, Byte(packed + 4 + part) & 63};
  const int halves = Byte(packed + 4 + part);
  return {(halves & 15) | (Byte(packed + part - 4) >> 6) << 4,
          halves >> 4 | (Byte(packed + part) >> 6) << 4};
}

// 144 bytes: f16 scale of the scales, f16 scale of the minima, the packed ones for 32 values each,
// 4-bit codes: of 32 bytes, the low halves hold 32 values, the high halves the next 32.
// 176 bytes with Q5_K's fifth bits before the codes: bit k of byte j belongs to value 32 k + j.
void Q45K(const std::byte* block, bool five, float* out) {
  const float scale = HalfToFloat(Load16(block));
  const float minimum = HalfToFloat(Load16(block + 2));
  const std::byte* high = block + 16;
  const std::byte* codes = five ? high + 32 : high;
  for (size_t part = 0; part < kSuper / 32; ++part) {
    const ScaleAndMinimum packed = Unpack(block + 4, part);
    const float part_scale = scale * static_cast<float>(packed.scale);
    const float part_minimum = minimum * static_cast<float>(packed.minimum);
    for (size_t j = 0; j < 32; ++j) {
      int code = Byte(codes + part / 2 * 32 + j) >> (part % 2 * 4) & 15;
      if (five) code |= (Byte(high + j) >> part & 1) << 4;
      out[part * 32 + j] = part_scale * static_cast<float>(code) - part_minimum;
    }
  }
}

// 210 bytes: low halves of the codes (of 64 bytes, first the low and then the high halves), upper
// two bits as in Q2_K, a signed scale for each 16 values, f16 scale. Codes are biased by 32.
void Q6K(const std::byte* block, float* out) {
  const float scale = HalfToFloat(Load16(block + 208));
  for (size_t i = 0; i < kSuper; ++i) {
    const int low = Byte(block + i / 128 * 64 + i % 64) >> (i % 128 / 64 * 4) & 15;
    const int high = Byte(block + 128 + i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2) & 3;
    const auto part = static_cast<int8_t>(block[192 + i / 16]);
    out[i] = scale * static_cast<float>(part) * static_cast<float>((low | high << 4) - 32);
  }
}

}  // namespace

void DequantiseRow(const Tensor& tensor, uint64_t row, std::span<float> out) {
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
    case TensorType::kQ5_0:
      for (size_t i = 0; i < cols; i += kBlock, at += 22) Q5_0(at, &out[i]);
      return;
    case TensorType::kQ5_1:
      for (size_t i = 0; i < cols; i += kBlock, at += 24) Q5_1(at, &out[i]);
      return;
    case TensorType::kIq4Nl:
      for (size_t i = 0; i < cols; i += kBlock, at += 18) Iq4Nl(at, &out[i]);
      return;
    case TensorType::kQ2K:
      for (size_t i = 0; i < cols; i += kSuper, at += 84) Q2K(at, &out[i]);
      return;
    case TensorType::kQ3K:
      for (size_t i = 0; i < cols; i += kSuper, at += 110) Q3K(at, &out[i]);
      return;
    case TensorType::kQ4K:
      for (size_t i = 0; i < cols; i += kSuper, at += 144) Q45K(at, false, &out[i]);
      return;
    case TensorType::kQ5K:
      for (size_t i = 0; i < cols; i += kSuper, at += 176) Q45K(at, true, &out[i]);
      return;
    case TensorType::kQ6K:
      for (size_t i = 0; i < cols; i += kSuper, at += 210) Q6K(at, &out[i]);
      return;
  }
}

}  // namespace axsim::build
