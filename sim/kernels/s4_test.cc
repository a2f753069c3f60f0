// s4 matrices: each instruction set against the scalar form, and that against the s8 matrix of the
// same values and against the layout as sim/spec/program.h states it.
#include <gtest/gtest.h>

#include <vector>

#include "sim/kernels/kernels_fixture.h"

namespace axsim::kernels {
namespace {

class S4OfEveryIsa : public EveryIsa {};

INSTANTIATE_TEST_SUITE_P(All, S4OfEveryIsa, testing::ValuesIn(Names()),
                         [](const auto& test) { return test.param; });

struct S4 {
  S4(Random& random, size_t rows_, size_t cols_)
      : rows(rows_),
        cols(cols_),
        codes(random.Bytes(rows * S4Spans(cols) * 32)),
        factors(random.Bytes(rows * S4Spans(cols))),
        scales(random.Floats(rows, 0.01f)) {}

  S4Matrix matrix() const { return {codes.data(), factors.data(), scales.data(), rows, cols}; }

  // The int8 form.
  std::vector<int8_t> Values() const {
    std::vector<int8_t> values;
    for (size_t r = 0; r < rows; ++r) {
      for (size_t c = 0; c < cols; ++c) {
        const size_t span = r * S4Spans(cols) + c / 64;
        const bool high = c % 64 >= 32;
        const uint8_t byte = codes[span * 32 + c % 32];
        const int nibble = high ? byte >> 4 : byte & 15;
        const int factor = (high ? factors[span] >> 4 : factors[span] & 15) + 1;
        values.push_back(static_cast<int8_t>((nibble >= 8 ? nibble - 16 : nibble) * factor));
      }
    }
    return values;
  }

  size_t rows, cols;
  std::vector<uint8_t> codes, factors;  // beyond the last column too: it must not count
  std::vector<float> scales;
};

TEST_P(S4OfEveryIsa, S4MatmulIsTheSameForOneTokenAndManyAndAsS8) {
  Random random(8);
  for (int round = 0; round < 60; ++round) {
    const size_t rows = random.Size(1, 70);
    const size_t cols = round < 30 ? random.Size(1, 200) : random.Size(201, 1700);
    const size_t tokens = random.Size(1, 29);
    const S4 made(random, rows, cols);
    std::vector<float> x = random.Floats(tokens * cols);
    if (round % 7 == 3) x[cols / 2] = kNan;
    const Quantized q(scalar(), x, cols);
    Panel panel(cols);
    const size_t stride = rows + 3;
    std::vector<float> want(tokens * stride, 7.0f), many = want, single = want, as_s8 = want;
    scalar().s4_matmul(made.matrix(), q.rows(cols, 0, tokens), want.data(), stride, panel.data());
    isa().s4_matmul(made.matrix(), q.rows(cols, 0, tokens), many.data(), stride, panel.data());
    for (size_t t = 0; t < tokens; ++t) {
      isa().s4_matmul(made.matrix(), q.rows(cols, t, 1), single.data() + t * stride, stride,
                      panel.data());
    }
    const std::vector<int8_t> values = made.Values();
    isa().s8_matmul({values.data(), made.scales.data(), rows, cols}, q.rows(cols, 0, tokens),
                    as_s8.data(), stride, panel.data());
    ASSERT_TRUE(SameBits(many, want)) << rows << "x" << cols << " " << tokens;
    ASSERT_TRUE(SameBits(single, want)) << rows << "x" << cols << " " << tokens;
    ASSERT_TRUE(SameBits(as_s8, want)) << rows << "x" << cols << " " << tokens;
  }
}

TEST_P(S4OfEveryIsa, S4MatmulOfExtremesDoesNotOverflow) {
  const size_t cols = 2 * kBlockCols, rows = 3;
  const std::vector<uint8_t> codes(rows * cols / 2, 0x88), factors(rows * cols / 64, 0xff);
  const std::vector<float> scales(rows, 1.0f);
  const S4Matrix w{codes.data(), factors.data(), scales.data(), rows, cols};
  const std::vector<float> x(2 * cols, 32767.0f);
  const Quantized q(isa(), x, cols);
  Panel panel(cols);
  for (size_t tokens : {1, 2}) {
    std::vector<float> y(tokens * rows);
    isa().s4_matmul(w, q.rows(cols, 0, tokens), y.data(), rows, panel.data());
    for (float v : y) EXPECT_FLOAT_EQ(v, -128.0f * 32767.0f * static_cast<float>(cols));
  }
}

}  // namespace
}  // namespace axsim::kernels
