// Each instruction set against the scalar form, bit for bit, and the scalar form against doubles.
#include "sim/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "sim/kernels/kernels_fixture.h"

namespace axsim::kernels {
namespace {

using axollama::Bf16ToFloat;

INSTANTIATE_TEST_SUITE_P(All, EveryIsa, testing::ValuesIn(Names()),
                         [](const auto& test) { return test.param; });

TEST(Kernels, FindsByName) {
  ASSERT_NE(Find("scalar"), nullptr);
  EXPECT_STREQ(Find("scalar")->name, "scalar");
  EXPECT_EQ(Find("auto"), Find(Available()[0]));
  EXPECT_EQ(Find("neon9"), nullptr);
  EXPECT_EQ(Find(""), nullptr);
}

TEST_P(EveryIsa, QuantizeIsTheSameAndClose) {
  Random random(1);
  for (int round = 0; round < 60; ++round) {
    const size_t cols = round < 40 ? random.Size(1, 70) : random.Size(71, 1700);
    std::vector<float> x = random.Floats(cols, 3.0f);
    if (round % 5 == 1) x[cols / 2] = 40000.0f;
    if (round % 5 == 2) std::fill(x.begin(), x.end(), 0.0f);
    if (round % 5 == 3) x[0] = 1e-38f;
    const Quantized want(scalar(), x, cols);
    const Quantized got(isa(), x, cols);
    EXPECT_EQ(got.codes, want.codes) << cols;
    EXPECT_TRUE(SameBits(got.scales, want.scales)) << cols;
    for (size_t i = 0; i < cols; ++i) {
      const float scale = got.scales[i / kBlockCols];
      EXPECT_NEAR(got.codes[i] * scale, x[i], scale * 0.51f + 1e-30f) << cols << " " << i;
    }
    for (size_t i = cols; i < PaddedCols(cols); ++i) EXPECT_EQ(got.codes[i], 0);
  }
}

TEST_P(EveryIsa, QuantizeOfNanOrInfinityMakesNanOfItsBlock) {
  for (float bad : {kNan, -kNan, std::numeric_limits<float>::infinity(),
                    -std::numeric_limits<float>::infinity()}) {
    std::vector<float> x(600, 1.0f);
    x[513] = bad;
    const Quantized got(isa(), x, x.size());
    EXPECT_FALSE(std::isnan(got.scales[0]));
    EXPECT_TRUE(std::isnan(got.scales[1]));
  }
}

TEST_P(EveryIsa, S8MatmulIsTheSameForOneTokenAndMany) {
  Random random(2);
  for (int round = 0; round < 50; ++round) {
    const size_t rows = random.Size(1, 70);
    const size_t cols = round < 25 ? random.Size(1, 80) : random.Size(81, 1600);
    const size_t tokens = random.Size(1, 29);
    const std::vector<int8_t> codes = random.Codes(rows * cols);
    const std::vector<float> scales = random.Floats(rows, 0.01f);
    std::vector<float> x = random.Floats(tokens * cols);
    if (round % 7 == 3) x[cols / 2] = kNan;
    const S8Matrix w{codes.data(), scales.data(), rows, cols};
    const Quantized q(scalar(), x, cols);
    Panel panel(cols);
    const size_t stride = rows + 3;
    std::vector<float> want(tokens * stride, 7.0f), many = want, single = want;
    scalar().s8_matmul(w, q.rows(cols, 0, tokens), want.data(), stride, panel.data());
    isa().s8_matmul(w, q.rows(cols, 0, tokens), many.data(), stride, panel.data());
    for (size_t t = 0; t < tokens; ++t) {
      isa().s8_matmul(w, q.rows(cols, t, 1), single.data() + t * stride, stride, panel.data());
    }
    ASSERT_TRUE(SameBits(many, want)) << rows << "x" << cols << " " << tokens;
    ASSERT_TRUE(SameBits(single, want)) << rows << "x" << cols << " " << tokens;
    for (size_t t = 0; t < tokens; ++t) {
      for (size_t r = 0; r < rows; ++r) {
        double sum = 0, magnitude = 0;
        for (size_t c = 0; c < cols; ++c) {
          sum += double(codes[r * cols + c]) * scales[r] * x[t * cols + c];
          magnitude += std::abs(double(codes[r * cols + c]) * scales[r]);
        }
        if (std::isnan(sum)) {
          EXPECT_TRUE(std::isnan(want[t * stride + r]));
        } else {
          EXPECT_NEAR(want[t * stride + r], sum, magnitude * 1e-4 + 1e-6);
        }
      }
    }
  }
}

TEST_P(EveryIsa, S8MatmulOfExtremesDoesNotOverflow) {
  const size_t cols = 2 * kBlockCols;
  const std::vector<int8_t> codes(cols * 3, -128);
  const std::vector<float> scales(3, 1.0f);
  const S8Matrix w{codes.data(), scales.data(), 3, cols};
  const std::vector<float> x(2 * cols, 32767.0f);
  const Quantized q(isa(), x, cols);
  Panel panel(cols);
  for (size_t tokens : {1, 2}) {
    std::vector<float> y(tokens * 3);
    isa().s8_matmul(w, q.rows(cols, 0, tokens), y.data(), 3, panel.data());
    for (float v : y) EXPECT_FLOAT_EQ(v, -128.0f * 32767.0f * static_cast<float>(cols));
  }
}

TEST_P(EveryIsa, Bf16MatmulIsTheSameForOneTokenAndMany) {
  Random random(3);
  for (int round = 0; round < 50; ++round) {
    const size_t rows = random.Size(1, 20);
    const size_t cols = round < 30 ? random.Size(1, 60) : random.Size(61, 900);
    const size_t tokens = random.Size(1, 8);
    const std::vector<uint16_t> values = random.Bf16(rows * cols);
    const std::vector<float> x = random.Floats(tokens * cols);
    const Bf16Matrix w{values.data(), rows, cols};
    Panel panel(cols);
    const size_t stride = rows + 1;
    std::vector<float> want(tokens * stride, 7.0f), many = want, single = want;
    scalar().bf16_matmul(w, {x.data(), cols, tokens}, want.data(), stride, panel.data());
    isa().bf16_matmul(w, {x.data(), cols, tokens}, many.data(), stride, panel.data());
    for (size_t t = 0; t < tokens; ++t) {
      isa().bf16_matmul(w, {x.data() + t * cols, cols, 1}, single.data() + t * stride, stride,
                        panel.data());
    }
    ASSERT_TRUE(SameBits(many, want)) << rows << "x" << cols << " " << tokens;
    ASSERT_TRUE(SameBits(single, want)) << rows << "x" << cols << " " << tokens;
    for (size_t t = 0; t < tokens; ++t) {
      for (size_t r = 0; r < rows; ++r) {
        double sum = 0;
        for (size_t c = 0; c < cols; ++c) {
          sum += double(Bf16ToFloat(values[r * cols + c])) * x[t * cols + c];
        }
        EXPECT_NEAR(want[t * stride + r], sum, 1e-4);
      }
    }
  }
}

TEST_P(EveryIsa, MultiplyAddsGrowWithTheTurns) {
  const uint64_t one = isa().multiply_adds(1);
  EXPECT_GE(one, 8u);
  EXPECT_EQ(isa().multiply_adds(1000), 1000 * one);
}

TEST_P(EveryIsa, RmsNormIsTheSameAndRight) {
  Random random(4);
  for (size_t n = 1; n < 90; ++n) {
    const std::vector<float> x = random.Floats(n), weight = random.Floats(n);
    std::vector<float> want(n), got = x;
    scalar().rms_norm(x.data(), weight.data(), n, 1e-5f, want.data());
    isa().rms_norm(got.data(), weight.data(), n, 1e-5f, got.data());
    ASSERT_TRUE(SameBits(got, want)) << n;
    double sum = 0;
    for (float v : x) sum += double(v) * v;
    for (size_t i = 0; i < n; ++i) {
      const double right = x[i] / std::sqrt(sum / static_cast<double>(n) + 1e-5) * weight[i];
      EXPECT_NEAR(want[i], right, 1e-5 * std::abs(right) + 1e-7);
    }
  }
}

TEST_P(EveryIsa, ScoresSoftmaxAndMixAreTheSameAndRight) {
  Random random(5);
  for (int round = 0; round < 60; ++round) {
    const size_t heads = random.Size(1, 9), dim = 8 * random.Size(1, 17);
    const size_t rows = random.Size(1, 45), stride = dim + random.Size(0, 5);
    const std::vector<float> q = random.Floats(heads * dim);
    std::vector<uint16_t> k = random.Bf16(rows * stride);
    const std::vector<uint16_t> v = random.Bf16(rows * stride);
    if (round % 10 == 9) k[(rows / 2) * stride] = 0x7fc0;
    const size_t out_stride = rows + 2;
    std::vector<float> want(heads * out_stride, 0.0f), got = want;
    scalar().scores(q.data(), heads, k.data(), stride, rows, dim, 0.25f, want.data(), out_stride);
    isa().scores(q.data(), heads, k.data(), stride, rows, dim, 0.25f, got.data(), out_stride);
    ASSERT_TRUE(SameBits(got, want)) << heads << " " << dim << " " << rows;
    std::vector<float> want_mix(heads * dim, 0.5f), got_mix = want_mix;
    for (size_t h = 0; h < heads; ++h) {
      std::vector<double> weight(rows);
      double sum = 0, largest = -1e300;
      for (size_t i = 0; i < rows; ++i) {
        for (size_t d = 0; d < dim; ++d) {
          weight[i] += 0.25 * q[h * dim + d] * Bf16ToFloat(k[i * stride + d]);
        }
        largest = std::max(largest, weight[i]);
      }
      const float want_sum = scalar().softmax(want.data() + h * out_stride, rows);
      const float got_sum = isa().softmax(got.data() + h * out_stride, rows);
      ASSERT_TRUE(SameBits({got_sum}, {want_sum}));
      if (round % 10 == 9) {
        EXPECT_TRUE(std::isnan(want_sum));
        continue;
      }
      for (double& w : weight) sum += w = std::exp(w - largest);
      EXPECT_NEAR(want_sum, sum, 1e-4 * sum);
      for (size_t i = 0; i < rows; ++i) {
        EXPECT_NEAR(want[h * out_stride + i], weight[i], 1e-5 * weight[i] + 1e-7);
      }
    }
    ASSERT_TRUE(SameBits(got, want));
    scalar().mix(want.data(), out_stride, heads, v.data(), stride, rows, dim, want_mix.data());
    isa().mix(got.data(), out_stride, heads, v.data(), stride, rows, dim, got_mix.data());
    ASSERT_TRUE(SameBits(got_mix, want_mix));
  }
}

TEST_P(EveryIsa, MixInTwoCallsEqualsOne) {
  Random random(6);
  const size_t dim = 72, rows = 31, heads = 5;
  const std::vector<float> p = random.Floats(heads * rows);
  const std::vector<uint16_t> v = random.Bf16(rows * dim);
  for (size_t cut : {1u, 7u, 30u}) {
    std::vector<float> whole(heads * dim, 0.0f), parts = whole;
    isa().mix(p.data(), rows, heads, v.data(), dim, rows, dim, whole.data());
    isa().mix(p.data(), rows, heads, v.data(), dim, cut, dim, parts.data());
    isa().mix(p.data() + cut, rows, heads, v.data() + cut * dim, dim, rows - cut, dim,
              parts.data());
    EXPECT_TRUE(SameBits(parts, whole)) << cut;
  }
}

TEST_P(EveryIsa, ExpIsAccurateOverItsRange) {
  std::vector<float> x;
  for (int i = 0; i <= 8700; ++i) x.push_back(-static_cast<float>(i) * 0.01f);
  std::vector<float> y = x;
  isa().softmax(y.data(), y.size());  // the largest is 0: y = exp(x)
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(y[i] / std::exp(static_cast<double>(x[i])), 1.0, 2.5e-7) << x[i];
  }
}

TEST_P(EveryIsa, ActivateIsTheSameAndRight) {
  Random random(7);
  for (Gate kind : {Gate::kSilu, Gate::kGeluTanh}) {
    for (size_t n = 1; n < 60; ++n) {
      std::vector<float> x = random.Floats(n, 4.0f);
      const std::vector<float> up = random.Floats(n);
      if (n == 50) x = std::vector<float>(n, -200.0f);
      if (n == 51) x = std::vector<float>(n, 200.0f);
      if (n == 52) x[3] = kNan;
      std::vector<float> want = x, got = x;
      scalar().activate(kind, want.data(), up.data(), n);
      isa().activate(kind, got.data(), up.data(), n);
      ASSERT_TRUE(SameBits(got, want)) << n;
      for (size_t i = 0; i < n; ++i) {
        const double g = x[i];
        const double u = 0.7978845608028654 * (g + 0.044715 * g * g * g);
        const double act =
            kind == Gate::kSilu ? g / (1.0 + std::exp(-g)) : 0.5 * g * (1.0 + std::tanh(u));
        if (std::isnan(g)) {
          EXPECT_TRUE(std::isnan(got[i]));
        } else {
          EXPECT_NEAR(got[i], act * up[i], 2e-6 * std::abs(act * up[i]) + 1e-6);
        }
      }
    }
  }
}

}  // namespace
}  // namespace axsim::kernels
