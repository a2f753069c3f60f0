#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "sim/kernels/constants.h"
#include "sim/kernels/scalar/math.h"
#include "sim/kernels/scalar/scalar.h"

namespace axsim::kernels::scalar {

void Quantize(const float* x, size_t cols, int16_t* codes, float* scales) {
  for (size_t begin = 0, block = 0; begin < cols; begin += kBlockCols, ++block) {
    const size_t n = cols - begin < kBlockCols ? cols - begin : kBlockCols;
    // Bits of non-negative floats order as integers do; NaN and infinity come out on top.
    int32_t largest_bits = 0;
    for (size_t i = 0; i < n; ++i) {
      const int32_t bits = std::bit_cast<int32_t>(x[begin + i]) & 0x7fffffff;
      largest_bits = bits > largest_bits ? bits : largest_bits;
    }
    const float largest = std::bit_cast<float>(largest_bits);
    const bool finite = largest_bits < kInfinityBits;
    if (!finite || largest < kTiny) {
      scales[block] = finite ? 0.0f : std::numeric_limits<float>::quiet_NaN();
      std::memset(codes + begin, 0, n * sizeof(int16_t));
      continue;
    }
    scales[block] = largest / kMaxCode;
    const float inverse = kMaxCode / largest;
    for (size_t i = 0; i < n; ++i) {
      codes[begin + i] = static_cast<int16_t>(std::nearbyintf(x[begin + i] * inverse));
    }
  }
  std::memset(codes + cols, 0, (PaddedCols(cols) - cols) * sizeof(int16_t));
}

void S8Matmul(const S8Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void*) {
  for (size_t r = 0; r < w.rows; ++r) {
    const int8_t* row = w.codes + r * w.cols;
    for (size_t t = 0; t < x.tokens; ++t) {
      const int16_t* codes = x.codes + t * x.stride;
      const float* scales = x.scales + t * x.scale_stride;
      float acc = 0.0f;
      for (size_t begin = 0, block = 0; begin < w.cols; begin += kBlockCols, ++block) {
        const size_t end = w.cols - begin < kBlockCols ? w.cols : begin + kBlockCols;
        int32_t sum = 0;
        for (size_t c = begin; c < end; ++c) sum += int32_t{row[c]} * int32_t{codes[c]};
        acc = acc + static_cast<float>(sum) * scales[block];
      }
      y[t * y_stride + r] = acc * w.scales[r];
    }
  }
}

void S4Matmul(const S4Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void*) {
  constexpr size_t kSpan = 64, kHalf = 32;
  const size_t spans = S4Spans(w.cols);
  for (size_t r = 0; r < w.rows; ++r) {
    for (size_t t = 0; t < x.tokens; ++t) y[t * y_stride + r] = 0.0f;
    for (size_t begin = 0, block = 0; begin < w.cols; begin += kBlockCols, ++block) {
      const size_t end = w.cols - begin < kBlockCols ? w.cols : begin + kBlockCols;
      int8_t row[kBlockCols];
      for (size_t c = begin; c < end; ++c) {
        const size_t span = r * spans + c / kSpan, within = c % kSpan;
        const int shift = within < kHalf ? 0 : 4;
        const uint8_t codes = w.codes[span * kHalf + within % kHalf];
        row[c - begin] = kS4Table.values[w.factors[span] >> shift & 15][codes >> shift & 15];
      }
      for (size_t t = 0; t < x.tokens; ++t) {
        const int16_t* codes = x.codes + t * x.stride;
        int32_t sum = 0;
        for (size_t c = begin; c < end; ++c) sum += int32_t{row[c - begin]} * int32_t{codes[c]};
        y[t * y_stride + r] += static_cast<float>(sum) * x.scales[t * x.scale_stride + block];
      }
    }
    for (size_t t = 0; t < x.tokens; ++t) y[t * y_stride + r] *= w.scales[r];
  }
}

void Bf16Matmul(const Bf16Matrix& w, const FloatRows& x, float* y, size_t y_stride, void*) {
  for (size_t r = 0; r < w.rows; ++r) {
    const uint16_t* row = w.values + r * w.cols;
    for (size_t t = 0; t < x.tokens; ++t) {
      const float* token = x.values + t * x.stride;
      float lanes[kLanes] = {};
      size_t c = 0;
      for (; c + kLanes <= w.cols; c += kLanes) {
        for (size_t l = 0; l < kLanes; ++l) {
          lanes[l] = std::fma(FromBf16(row[c + l]), token[c + l], lanes[l]);
        }
      }
      for (size_t l = 0; c + l < w.cols; ++l) {
        lanes[l] = std::fma(FromBf16(row[c + l]), token[c + l], lanes[l]);
      }
      y[t * y_stride + r] = SumLanes(lanes);
    }
  }
}

}  // namespace axsim::kernels::scalar
