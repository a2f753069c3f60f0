// A GGUF file (versions 2 and 3, little-endian), mapped and checked.
//
// Open walks the whole header with bounds checks: afterwards every key, name and tensor lies inside
// the file. Tensors keep GGUF's meaning: dims[0] counts the columns of a row, rows are contiguous.
// Owner: the caller; all views live as long as the object. Threads: const use from any thread.
// Errors: one line that names the file and what is wrong. Arbitrary bytes are safe.
// Source: the GGUF specification of the ggml project.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/result.h"

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

struct GgufTensor {
  std::string_view name;
  TensorType type = TensorType::kF32;
  std::vector<uint64_t> dims;  // [columns, rows, ...]
  std::span<const std::byte> data;

  uint64_t cols() const { return dims[0]; }
  uint64_t rows() const;
  uint64_t row_bytes() const { return data.size() / rows(); }
};

// One metadata value. Integers of every width are one of the 64-bit forms.
struct GgufValue;
using GgufArray = std::vector<GgufValue>;
struct GgufValue {
  std::variant<uint64_t, int64_t, double, bool, std::string_view, GgufArray> value;
};

class Gguf {
 public:
  static axollama::Result<Gguf> Open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string_view, GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* FindTensor(std::string_view name) const;
  const GgufValue* Find(std::string_view key) const;

  // Typed reads. The first form needs the key; the second gives `otherwise` where it is absent. A
  // value of another type or out of range is an error that names the key.
  axollama::Result<uint32_t> Uint(std::string_view key) const;
  axollama::Result<uint32_t> Uint(std::string_view key, uint32_t otherwise) const;
  axollama::Result<double> Float(std::string_view key) const;
  axollama::Result<double> Float(std::string_view key, double otherwise) const;
  axollama::Result<bool> Bool(std::string_view key, bool otherwise) const;
  axollama::Result<std::string> Text(std::string_view key) const;
  axollama::Result<std::string> Text(std::string_view key, std::string otherwise) const;
  axollama::Result<std::vector<std::string_view>> Texts(std::string_view key) const;
  axollama::Result<std::vector<int64_t>> Ints(std::string_view key) const;
  axollama::Result<std::vector<double>> Floats(std::string_view key) const;

 private:
  friend class GgufParser;
  axollama::Status WrongType(std::string_view key, std::string_view wanted) const;

  std::filesystem::path path_;
  axollama::MappedFile file_;
  std::map<std::string_view, GgufValue> values_;
  std::map<std::string_view, GgufTensor> tensors_;
};

}  // namespace axsim::build
