// The header of NumPy's .npy files, as far as embedding tables need it: two dimensions, C order,
// little-endian f4, f2, or u2 (taken as bf16). Versions 1, 2 and 3 of the format.
// Source: numpy/lib/format.py. Threads: plain functions and values. Any bytes are safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace axollama::bundle {

enum class NpyType { kF32, kF16, kBf16 };

struct NpyHeader {
  NpyType type = NpyType::kF32;
  uint32_t rows = 0;
  uint32_t columns = 0;
  size_t data_offset_bytes = 0;
};

// Also checks that the data is exactly as long as the shape says. `name` stands in errors.
Result<NpyHeader> ReadNpyHeader(std::span<const std::byte> file, std::string_view name);

}  // namespace axollama::bundle
