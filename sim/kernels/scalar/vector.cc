#include <cmath>
#include <limits>

#include "sim/kernels/scalar/math.h"
#include "sim/kernels/scalar/scalar.h"

namespace axsim::kernels::scalar {

void RmsNorm(const float* x, const float* weight, size_t n, float eps, float* out) {
  float lanes[kLanes] = {};
  for (size_t i = 0; i < n; ++i) lanes[i % kLanes] = std::fma(x[i], x[i], lanes[i % kLanes]);
  const float inverse = 1.0f / std::sqrt(SumLanes(lanes) / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; ++i) out[i] = (x[i] * inverse) * weight[i];
}

void Scores(const float* q, size_t heads, const uint16_t* k, size_t k_stride, size_t rows,
            size_t dim, float scale, float* out, size_t out_stride) {
  for (size_t h = 0; h < heads; ++h) {
    for (size_t i = 0; i < rows; ++i) {
      float lanes[kLanes] = {};
      for (size_t d = 0; d < dim; d += kLanes) {
        for (size_t l = 0; l < kLanes; ++l) {
          lanes[l] = std::fma(FromBf16(k[i * k_stride + d + l]), q[h * dim + d + l], lanes[l]);
        }
      }
      out[h * out_stride + i] = SumLanes(lanes) * scale;
    }
  }
}

float Softmax(float* s, size_t n) {
  float largest = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < n; ++i) largest = s[i] > largest ? s[i] : largest;
  float lanes[kLanes] = {};
  for (size_t i = 0; i < n; ++i) {
    s[i] = Exp(s[i] - largest);
    lanes[i % kLanes] += s[i];
  }
  return SumLanes(lanes);
}

void Mix(const float* p, size_t p_stride, size_t heads, const uint16_t* v, size_t v_stride,
         size_t rows, size_t dim, float* out) {
  for (size_t h = 0; h < heads; ++h) {
    for (size_t i = 0; i < rows; ++i) {
      const float weight = p[h * p_stride + i];
      for (size_t d = 0; d < dim; ++d) {
        out[h * dim + d] = std::fma(weight, FromBf16(v[i * v_stride + d]), out[h * dim + d]);
      }
    }
  }
}

void Activate(Gate kind, float* gate, const float* up, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const float x = gate[i];
    float u = x;
    if (kind == Gate::kGeluTanh) {
      u = kGeluTwoRootTwoOverPi * std::fma(kGeluCubic * x * x, x, x);
    }
    gate[i] = x / (1.0f + Exp(-u)) * up[i];
  }
}

const Kernels kTable = {"scalar", Quantize, S8Matmul, S4Matmul, Bf16Matmul,  RmsNorm,
                        Scores,   Softmax,  Mix,      Activate, MultiplyAdds};

}  // namespace axsim::kernels::scalar
