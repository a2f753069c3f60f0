// A GGUF file (versions 2 and 3, little-endian), mapped and checked.
//
// Open walks the whole header with bounds checks: afterwards every key, name and tensor lies inside
// the file.
// Owner: the caller; all views live as long as the object. Threads: const use from any thread.
// Errors: one line that names the file and what is wrong. Arbitrary bytes are safe.
// Source: the GGUF specification of the ggml project.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "sim/build/tensor.h"

namespace axsim::build {

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
  const TensorMap& tensors() const { return tensors_; }
  const Tensor* FindTensor(std::string_view name) const;
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
  TensorMap tensors_;
};

}  // namespace axsim::build
