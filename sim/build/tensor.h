// One tensor of a model file: where its values lie, and how they are written there.
//
// Dims are in GGUF's order, whatever the file's own: dims[0] counts the columns of a row, rows are
// contiguous. Owner: the file that it is a view of. Threads: plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <vector>

namespace axsim::build {

// Numbers of ggml_type. Others are refused when the file is opened.
enum class TensorType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2K = 10,
  kQ3K = 11,
  kQ4K = 12,
  kQ5K = 13,
  kQ6K = 14,
  kIq4Nl = 20,
  kBf16 = 30
};

struct Tensor {
  std::string_view name;
  TensorType type = TensorType::kF32;
  std::vector<uint64_t> dims;  // [columns, rows, ...]
  std::span<const std::byte> data;

  uint64_t cols() const { return dims[0]; }
  uint64_t rows() const {
    uint64_t rows = 1;
    for (size_t i = 1; i < dims.size(); ++i) rows *= dims[i];
    return rows;
  }
  uint64_t row_bytes() const { return data.size() / rows(); }
};

using TensorMap = std::map<std::string_view, Tensor>;  // by name

}  // namespace axsim::build
