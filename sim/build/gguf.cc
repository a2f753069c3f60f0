#include "sim/build/gguf.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <limits>

namespace axsim::build {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;

constexpr int kMaxNesting = 4;        // arrays in arrays
constexpr uint32_t kMaxDims = 4;      // GGML_MAX_DIMS
constexpr uint64_t kMaxName = 65535;  // of keys and tensors; text values may be longer

enum ValueType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kText,
  kArray,
  kU64,
  kI64,
  kF64,
  kValueTypes
};

struct Layout {
  TensorType type;
  uint64_t block_values;
  uint64_t block_bytes;
};
constexpr Layout kLayouts[] = {
    {TensorType::kF32, 1, 4},     {TensorType::kF16, 1, 2},     {TensorType::kBf16, 1, 2},
    {TensorType::kQ4_0, 32, 18},  {TensorType::kQ4_1, 32, 20},  {TensorType::kQ5_0, 32, 22},
    {TensorType::kQ5_1, 32, 24},  {TensorType::kQ8_0, 32, 34},  {TensorType::kQ2K, 256, 84},
    {TensorType::kQ3K, 256, 110}, {TensorType::kQ4K, 256, 144}, {TensorType::kQ5K, 256, 176},
    {TensorType::kQ6K, 256, 210}, {TensorType::kIq4Nl, 32, 18}};

// Names of the types that exist but are not read, so that the refusal says what the file holds.
std::string TypeName(uint32_t type) {
  static constexpr const char* kNames[] = {
      "F32",     "F16",    "Q4_0",    "Q4_1",  "Q4_2",   "Q4_3",  "Q5_0",  "Q5_1",
      "Q8_0",    "Q8_1",   "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
      "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
      "I8",      "I16",    "I32",     "I64",   "F64",    "IQ1_M", "BF16"};
  if (type < std::size(kNames)) return kNames[type];
  return fmt::format("type {}", type);
}

std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 80)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

}  // namespace

// Walks the header of one file. Every read checks the bytes that are left.
class GgufParser {
 public:
  GgufParser(Gguf* out, std::span<const std::byte> bytes) : out_(out), bytes_(bytes) {}

  Status Parse() {
    AX_RETURN_IF_ERROR(Magic());
    uint64_t tensor_count = 0, value_count = 0;
    if (!Number(&tensor_count) || !Number(&value_count)) return Cut();
    for (uint64_t i = 0; i < value_count; ++i) AX_RETURN_IF_ERROR(KeyAndValue());
    uint64_t alignment = 32;
    if (out_->Find("general.alignment")) {
      AX_ASSIGN_OR_RETURN(alignment, out_->Uint("general.alignment"));
      if (!std::has_single_bit(alignment) || alignment > (1u << 20)) {
        return Bad(fmt::format("has an alignment of {}, no power of two", alignment));
      }
    }
    std::vector<std::pair<uint64_t, Tensor>> tensors;  // offset from the data's start
    for (uint64_t i = 0; i < tensor_count; ++i) {
      AX_ASSIGN_OR_RETURN(auto tensor, TensorInfo());
      tensors.push_back(std::move(tensor));
    }
    const uint64_t start = (at_ + alignment - 1) / alignment * alignment;
    for (auto& [offset, tensor] : tensors)
      AX_RETURN_IF_ERROR(Place(start, alignment, offset, &tensor));
    return {};
  }

 private:
  tl::unexpected<axollama::Error> Bad(std::string_view what) const {
    return Fail(ErrorKind::kInvalid, fmt::format("{} {}", out_->path_.string(), what));
  }
  tl::unexpected<axollama::Error> Cut() const {
    return Bad("is cut short or damaged in its header: copy it again");
  }

  uint64_t Left() const { return bytes_.size() - at_; }

  template <typename T>
  bool Number(T* value) {
    if (Left() < sizeof(T)) return false;
    memcpy(value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }

  bool Text(std::string_view* text, uint64_t most = std::numeric_limits<uint64_t>::max()) {
    uint64_t length = 0;
    if (!Number(&length) || length > Left() || length > most) return false;
    *text = {reinterpret_cast<const char*>(bytes_.data() + at_), static_cast<size_t>(length)};
    at_ += length;
    return true;
  }

  Status Magic() {
    static constexpr std::string_view kLfs = "version https://git-lfs.github.com/spec/";
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    if (text.empty()) return Bad("is empty (0 bytes): copy it again");
    if (text.starts_with(kLfs)) {
      return Bad("is a Git LFS pointer, not the model: run `git lfs pull` in its folder");
    }
    if (!text.starts_with("GGUF")) return Bad("is no GGUF file");
    at_ = 4;
    uint32_t version = 0;
    if (!Number(&version)) return Cut();
    if (version != 0 && (version & 0xffff) == 0)
      return Bad("is a big-endian GGUF file, which is not read");
    if (version != 2 && version != 3) {
      return Bad(fmt::format("is GGUF version {}: versions 2 and 3 are read", version));
    }
    return {};
  }

  template <typename T, typename As>
  bool Scalar(GgufValue* value) {
    T number{};
    if (!Number(&number)) return false;
    value->value = static_cast<As>(number);
    return true;
  }

  bool Value(uint32_t type, int nesting, GgufValue* value) {
    switch (type) {
      case kU8:
        return Scalar<uint8_t, uint64_t>(value);
      case kU16:
        return Scalar<uint16_t, uint64_t>(value);
      case kU32:
        return Scalar<uint32_t, uint64_t>(value);
      case kU64:
        return Scalar<uint64_t, uint64_t>(value);
      case kI8:
        return Scalar<int8_t, int64_t>(value);
      case kI16:
        return Scalar<int16_t, int64_t>(value);
      case kI32:
        return Scalar<int32_t, int64_t>(value);
      case kI64:
        return Scalar<int64_t, int64_t>(value);
      case kF32:
        return Scalar<float, double>(value);
      case kF64:
        return Scalar<double, double>(value);
      case kBool: {
        uint8_t flag = 0;
        if (!Number(&flag) || flag > 1) return false;
        value->value = flag == 1;
        return true;
      }
      case kText: {
        std::string_view text;
        if (!Text(&text)) return false;
        value->value = text;
        return true;
      }
      case kArray:
        return Array(nesting, value);
      default:
        return false;
    }
  }

  bool Array(int nesting, GgufValue* value) {
    uint32_t type = 0;
    uint64_t count = 0;
    // Every element takes a byte at least, which bounds the memory that a false count can claim.
    if (nesting == kMaxNesting || !Number(&type) || !Number(&count) || count > Left()) return false;
    GgufArray array;
    for (uint64_t i = 0; i < count; ++i) {
      if (!Value(type, nesting + 1, &array.emplace_back())) return false;
    }
    value->value = std::move(array);
    return true;
  }

  Status KeyAndValue() {
    std::string_view key;
    uint32_t type = 0;
    GgufValue value;
    if (!Text(&key, kMaxName) || !Number(&type)) return Cut();
    if (type >= kValueTypes) {
      return Bad(fmt::format("has a value of unknown type {} at key \"{}\"", type, Printable(key)));
    }
    if (!Value(type, 0, &value)) return Cut();
    if (!out_->values_.emplace(key, std::move(value)).second) {
      return Bad(fmt::format("has the key \"{}\" twice", Printable(key)));
    }
    return {};
  }

  Result<std::pair<uint64_t, Tensor>> TensorInfo() {
    Tensor tensor;
    uint32_t dim_count = 0, type = 0;
    uint64_t offset = 0;
    if (!Text(&tensor.name, kMaxName) || !Number(&dim_count)) return Cut();
    if (dim_count < 1 || dim_count > kMaxDims) {
      return Bad(
          fmt::format("has a tensor \"{}\" of {} dimensions", Printable(tensor.name), dim_count));
    }
    tensor.dims.resize(dim_count);
    for (uint64_t& dim : tensor.dims) {
      if (!Number(&dim)) return Cut();
    }
    if (!Number(&type) || !Number(&offset)) return Cut();
    tensor.type = static_cast<TensorType>(type);
    return std::pair(offset, std::move(tensor));
  }

  Status Place(uint64_t start, uint64_t alignment, uint64_t offset, Tensor* tensor) {
    const std::string name = Printable(tensor->name);
    const Layout* layout = nullptr;
    for (const Layout& candidate : kLayouts) {
      if (candidate.type == tensor->type) layout = &candidate;
    }
    if (!layout) {
      return Bad(
          fmt::format("holds tensor \"{}\" as {}: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, "
                      "Q2_K to Q6_K and IQ4_NL are read",
                      name, TypeName(static_cast<uint32_t>(tensor->type))));
    }
    uint64_t values = 1;
    for (const uint64_t dim : tensor->dims) {
      if (dim == 0 || dim > (uint64_t{1} << 40) / values) {
        return Bad(fmt::format("has a tensor \"{}\" of an impossible shape", name));
      }
      values *= dim;
    }
    if (tensor->dims[0] % layout->block_values != 0) {
      return Bad(fmt::format("has a tensor \"{}\" whose rows of {} are no whole blocks", name,
                             tensor->dims[0]));
    }
    const uint64_t size = values / layout->block_values * layout->block_bytes;
    if (offset % alignment != 0) {
      return Bad(fmt::format("has a tensor \"{}\" that is not aligned", name));
    }
    if (start > bytes_.size() || offset > bytes_.size() - start ||
        size > bytes_.size() - start - offset) {
      return Bad(fmt::format("is cut short: tensor \"{}\" ends beyond its {} bytes; copy it again",
                             name, bytes_.size()));
    }
    tensor->data = bytes_.subspan(start + offset, size);
    const std::string_view key = tensor->name;
    if (!out_->tensors_.emplace(key, std::move(*tensor)).second) {
      return Bad(fmt::format("has the tensor \"{}\" twice", name));
    }
    return {};
  }

  Gguf* out_;
  std::span<const std::byte> bytes_;
  uint64_t at_ = 0;
};

Result<Gguf> Gguf::Open(const std::filesystem::path& path) {
  Gguf gguf;
  gguf.path_ = path;
  AX_ASSIGN_OR_RETURN(gguf.file_, axollama::MappedFile::Open(path));
  GgufParser parser(&gguf, gguf.file_.bytes());
  AX_RETURN_IF_ERROR(parser.Parse());
  return gguf;
}

const Tensor* Gguf::FindTensor(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

const GgufValue* Gguf::Find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

Status Gguf::WrongType(std::string_view key, std::string_view wanted) const {
  return Fail(ErrorKind::kInvalid,
              Find(key) ? fmt::format("{}: key \"{}\" is not {}", path_.string(), key, wanted)
                        : fmt::format("{} has no key \"{}\"", path_.string(), key));
}

Result<uint32_t> Gguf::Uint(std::string_view key) const {
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  if (const GgufValue* found = Find(key)) {
    const auto* plain = std::get_if<uint64_t>(&found->value);
    const auto* with_sign = std::get_if<int64_t>(&found->value);
    if (plain && *plain <= kMost) return static_cast<uint32_t>(*plain);
    if (with_sign && *with_sign >= 0 && *with_sign <= static_cast<int64_t>(kMost)) {
      return static_cast<uint32_t>(*with_sign);
    }
  }
  return Fail(WrongType(key, "a number from 0 to 2^32 - 1").error());
}

Result<uint32_t> Gguf::Uint(std::string_view key, uint32_t otherwise) const {
  return Find(key) ? Uint(key) : Result<uint32_t>(otherwise);
}

Result<double> Gguf::Float(std::string_view key) const {
  if (const GgufValue* found = Find(key)) {
    if (const auto* number = std::get_if<double>(&found->value)) return *number;
  }
  return Fail(WrongType(key, "a float").error());
}

Result<double> Gguf::Float(std::string_view key, double otherwise) const {
  return Find(key) ? Float(key) : Result<double>(otherwise);
}

Result<bool> Gguf::Bool(std::string_view key, bool otherwise) const {
  const GgufValue* found = Find(key);
  if (!found) return otherwise;
  if (const auto* flag = std::get_if<bool>(&found->value)) return *flag;
  return Fail(WrongType(key, "true or false").error());
}

Result<std::string> Gguf::Text(std::string_view key) const {
  if (const GgufValue* found = Find(key)) {
    if (const auto* text = std::get_if<std::string_view>(&found->value)) return std::string(*text);
  }
  return Fail(WrongType(key, "a text").error());
}

Result<std::string> Gguf::Text(std::string_view key, std::string otherwise) const {
  return Find(key) ? Text(key) : Result<std::string>(std::move(otherwise));
}

Result<std::vector<std::string_view>> Gguf::Texts(std::string_view key) const {
  const auto wrong = [&] { return Fail(WrongType(key, "a list of texts").error()); };
  const GgufValue* found = Find(key);
  const auto* array = found ? std::get_if<GgufArray>(&found->value) : nullptr;
  if (!array) return wrong();
  std::vector<std::string_view> texts;
  texts.reserve(array->size());
  for (const GgufValue& item : *array) {
    const auto* text = std::get_if<std::string_view>(&item.value);
    if (!text) return wrong();
    texts.push_back(*text);
  }
  return texts;
}

Result<std::vector<int64_t>> Gguf::Ints(std::string_view key) const {
  const auto wrong = [&] { return Fail(WrongType(key, "a list of integers").error()); };
  const GgufValue* found = Find(key);
  const auto* array = found ? std::get_if<GgufArray>(&found->value) : nullptr;
  if (!array) return wrong();
  std::vector<int64_t> numbers;
  numbers.reserve(array->size());
  for (const GgufValue& item : *array) {
    if (const auto* plain = std::get_if<uint64_t>(&item.value)) {
      if (*plain > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return wrong();
      numbers.push_back(static_cast<int64_t>(*plain));
    } else if (const auto* with_sign = std::get_if<int64_t>(&item.value)) {
      numbers.push_back(*with_sign);
    } else {
      return wrong();
    }
  }
  return numbers;
}

Result<std::vector<double>> Gguf::Floats(std::string_view key) const {
  const auto wrong = [&] { return Fail(WrongType(key, "a list of floats").error()); };
  const GgufValue* found = Find(key);
  const auto* array = found ? std::get_if<GgufArray>(&found->value) : nullptr;
  if (!array) return wrong();
  std::vector<double> numbers;
  numbers.reserve(array->size());
  for (const GgufValue& item : *array) {
    const auto* number = std::get_if<double>(&item.value);
    if (!number) return wrong();
    numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace axsim::build
