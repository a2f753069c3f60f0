// One row of a tensor as floats. Source: the block layouts of ggml-quants.
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <span>

#include "sim/build/tensor.h"

namespace axsim::build {

// out [tensor.cols()]; row < tensor.rows().
void DequantiseRow(const Tensor& tensor, uint64_t row, std::span<float> out);

}  // namespace axsim::build
