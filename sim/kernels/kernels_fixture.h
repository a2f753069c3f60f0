// For the tests of this room: random data, and a test for each set of kernels that this CPU runs.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/bf16.h"
#include "sim/kernels/kernels.h"

namespace axsim::kernels {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  size_t Size(size_t low, size_t high) {
    return std::uniform_int_distribution<size_t>(low, high)(engine_);
  }
  std::vector<float> Floats(size_t n, float spread = 1.0f) {
    std::vector<float> v(n);
    for (float& x : v) x = std::normal_distribution<float>(0, spread)(engine_);
    return v;
  }
  std::vector<uint16_t> Bf16(size_t n) {
    std::vector<uint16_t> v;
    for (float x : Floats(n)) v.push_back(axollama::FloatToBf16(x));
    return v;
  }
  std::vector<uint8_t> Bytes(size_t n) {
    std::vector<uint8_t> v(n);
    for (uint8_t& x : v) x = static_cast<uint8_t>(engine_());
    return v;
  }
  std::vector<int8_t> Codes(size_t n) {
    std::vector<int8_t> v(n);
    for (int8_t& x : v)
      x = static_cast<int8_t>(std::uniform_int_distribution<int>(-128, 127)(engine_));
    return v;
  }

 private:
  std::mt19937 engine_;
};

inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i])) return false;
  }
  return true;
}

struct Panel {
  explicit Panel(size_t cols) : bytes(PanelBytes(cols) + 64) {}
  void* data() {
    return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(bytes.data()) + 63) / 64 * 64);
  }
  std::vector<std::byte> bytes;
};

struct Quantized {
  Quantized(const Kernels& kernels, const std::vector<float>& x, size_t cols)
      : tokens(x.size() / cols),
        stride(PaddedCols(cols)),
        codes(tokens * stride, 77),
        scales(tokens * BlockCount(cols), kNan) {
    for (size_t t = 0; t < tokens; ++t) {
      kernels.quantize(x.data() + t * cols, cols, codes.data() + t * stride,
                       scales.data() + t * BlockCount(cols));
    }
  }
  QuantizedRows rows(size_t cols, size_t first, size_t count) const {
    return {codes.data() + first * stride, stride, scales.data() + first * BlockCount(cols),
            BlockCount(cols), count};
  }
  size_t tokens;
  size_t stride;
  std::vector<int16_t> codes;
  std::vector<float> scales;
};

class EveryIsa : public testing::TestWithParam<std::string> {
 protected:
  const Kernels& isa() const { return *Find(GetParam().c_str()); }
  const Kernels& scalar() const { return *Find("scalar"); }
};

inline std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const char* const* name = Available(); *name != nullptr; ++name) names.emplace_back(*name);
  return names;
}

}  // namespace axsim::kernels
