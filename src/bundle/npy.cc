#include "bundle/npy.h"

#include <fmt/core.h>

#include <charconv>
#include <optional>
#include <system_error>
#include <vector>

namespace axollama::bundle {
namespace {

// The text after `'key':` in the header's Python dictionary, spaces skipped.
std::optional<std::string_view> After(std::string_view header, std::string_view key) {
  for (const char quote : {'\'', '"'}) {
    const std::string quoted = quote + std::string(key) + quote;
    const size_t at = header.find(quoted);
    if (at == std::string_view::npos) continue;
    header.remove_prefix(at + quoted.size());
    const size_t colon = header.find_first_not_of(' ');
    if (colon == std::string_view::npos || header[colon] != ':') return std::nullopt;
    const size_t value = header.find_first_not_of(' ', colon + 1);
    if (value == std::string_view::npos) return std::nullopt;
    return header.substr(value);
  }
  return std::nullopt;
}

std::optional<std::string_view> Quoted(std::string_view text) {
  if (text.empty() || (text[0] != '\'' && text[0] != '"')) return std::nullopt;
  const size_t end = text.find(text[0], 1);
  if (end == std::string_view::npos) return std::nullopt;
  return text.substr(1, end - 1);
}

// "(49152, 576)" or "(3,)".
std::optional<std::vector<uint64_t>> Tuple(std::string_view text) {
  if (text.empty() || text[0] != '(') return std::nullopt;
  const size_t end = text.find(')');
  if (end == std::string_view::npos) return std::nullopt;
  text = text.substr(1, end - 1);
  std::vector<uint64_t> values;
  while (true) {
    const size_t start = text.find_first_not_of(" ,");
    if (start == std::string_view::npos) return values;
    text.remove_prefix(start);
    uint64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(stop - text.data()));
    if (!text.empty() && text[0] != ',' && text[0] != ' ') return std::nullopt;
    values.push_back(value);
  }
}

tl::unexpected<Error> Bad(std::string_view name, std::string_view what) {
  return Fail(ErrorKind::kInvalid, fmt::format("{}: {}", name, what));
}

}  // namespace

Result<NpyHeader> ReadNpyHeader(std::span<const std::byte> file, std::string_view name) {
  static constexpr std::string_view kMagic = "\x93NUMPY";
  const std::string_view all(reinterpret_cast<const char*>(file.data()), file.size());
  if (all.size() < 12 || all.substr(0, kMagic.size()) != kMagic) {
    return Bad(name, "not a NumPy file (no \\x93NUMPY at its start): the download may be damaged");
  }
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(file[i]); };
  const uint32_t major = byte(6);
  if (major < 1 || major > 3) {
    return Bad(name, fmt::format("NumPy format version {} is not known (1, 2 and 3 are)", major));
  }
  size_t length = byte(8) | byte(9) << 8;
  size_t start = 10;
  if (major >= 2) {
    length |= static_cast<size_t>(byte(10)) << 16 | static_cast<size_t>(byte(11)) << 24;
    start = 12;
  }
  if (length > all.size() - start) return Bad(name, "the NumPy header is cut");
  const std::string_view header = all.substr(start, length);

  const auto descr = After(header, "descr");
  const auto type = descr ? Quoted(*descr) : std::nullopt;
  const auto order = After(header, "fortran_order");
  const auto shape_text = After(header, "shape");
  const auto shape = shape_text ? Tuple(*shape_text) : std::nullopt;
  if (!type || !order || !shape) return Bad(name, "the NumPy header cannot be read");

  NpyHeader result;
  uint64_t element_bytes = 2;
  if (*type == "<f4") {
    result.type = NpyType::kF32;
    element_bytes = 4;
  } else if (*type == "<f2") {
    result.type = NpyType::kF16;
  } else if (*type == "<u2") {
    result.type = NpyType::kBf16;
  } else {
    return Bad(name, fmt::format("element type '{}' is not supported: save the table as "
                                 "little-endian float32, float16, or bfloat16 in uint16",
                                 *type));
  }
  if (order->substr(0, 5) != "False") {
    return Bad(name, "the table is in Fortran order: save it with numpy.ascontiguousarray");
  }
  if (shape->size() != 2) {
    return Bad(name,
               fmt::format("an embedding table has 2 dimensions, this one has {}", shape->size()));
  }
  const uint64_t rows = (*shape)[0];
  const uint64_t columns = (*shape)[1];
  if (rows == 0 || columns == 0 || rows > INT32_MAX || columns > (1u << 20)) {
    return Bad(name, fmt::format("the shape ({}, {}) is no embedding table", rows, columns));
  }
  result.rows = static_cast<uint32_t>(rows);
  result.columns = static_cast<uint32_t>(columns);
  result.data_offset_bytes = start + length;
  const uint64_t expected = rows * columns * element_bytes;
  const uint64_t actual = all.size() - result.data_offset_bytes;
  if (expected != actual) {
    return Bad(name, fmt::format("wrong size: the shape ({}, {}) of '{}' needs {} bytes of data, "
                                 "the file has {}",
                                 rows, columns, *type, expected, actual));
  }
  return result;
}

}  // namespace axollama::bundle
