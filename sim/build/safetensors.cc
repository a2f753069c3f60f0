#include "sim/build/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/json.h"

namespace axsim::build {
namespace {

namespace json = axollama::json;
using axollama::ErrorKind;
using axollama::Fail;
using axollama::Result;
using axollama::Status;

// A tensor takes about 150 bytes of it, and large models have some thousands.
constexpr uint64_t kMaxHeader = 16u << 20;
constexpr size_t kMaxDims = 8;
constexpr uint64_t kMaxValues = uint64_t{1} << 40;

struct Type {
  std::string_view name;
  TensorType type;
  uint64_t bytes;
};
constexpr Type kTypes[] = {
    {"F32", TensorType::kF32, 4}, {"F16", TensorType::kF16, 2}, {"BF16", TensorType::kBf16, 2}};

std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 80)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

std::optional<uint64_t> AsSize(const json::Value& value) {
  if (value.is_int64() && value.get_int64() >= 0) return static_cast<uint64_t>(value.get_int64());
  return std::nullopt;
}

// Reads the header's entries; the file's name goes before every error.
class Parser {
 public:
  Parser(const std::filesystem::path& path, std::span<const std::byte> bytes)
      : path_(path), bytes_(bytes) {}

  Result<json::Object> Header() {
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    if (text.empty()) return Bad("is empty (0 bytes): copy it again");
    if (text.starts_with("version https://git-lfs.github.com/spec/")) {
      return Bad("is a Git LFS pointer, not the model: run `git lfs pull` in its folder");
    }
    uint64_t size = 0;
    if (text.size() < sizeof size) return Bad("is no safetensors file");
    memcpy(&size, text.data(), sizeof size);
    if constexpr (std::endian::native == std::endian::big) size = __builtin_bswap64(size);
    if (size > kMaxHeader) return Bad("is no safetensors file, or its header is damaged");
    if (size > text.size() - sizeof size) return Bad("is cut short in its header: copy it again");
    const auto header = json::Parse(text.substr(sizeof size, size));
    if (!header) return Bad("has a header that is " + header.error().message);
    if (!header->is_object()) return Bad("has a header that is no object");
    data_ = bytes_.subspan(sizeof size + size);
    return header->get_object();
  }

  // Where it lies in the data goes to `begin`.
  Result<Tensor> Entry(std::string_view name, const json::Value& value, uint64_t* begin) const {
    const std::string shown = Printable(name);
    const json::Object* entry = value.if_object();
    const json::Value* dtype = entry ? json::Find(*entry, "dtype") : nullptr;
    const json::Value* shape = entry ? json::Find(*entry, "shape") : nullptr;
    const json::Value* range = entry ? json::Find(*entry, "data_offsets") : nullptr;
    if (!dtype || !dtype->is_string() || !shape || !shape->is_array() || !range ||
        !range->is_array() || range->get_array().size() != 2) {
      return Bad(fmt::format("has a tensor \"{}\" without dtype, shape and data_offsets", shown));
    }
    const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const Type& t) {
      return t.name == json::View(dtype->get_string());
    });
    if (type == std::end(kTypes)) {
      return Bad(fmt::format("holds tensor \"{}\" as {}: F32, F16 and BF16 are read", shown,
                             Printable(json::View(dtype->get_string()))));
    }
    Tensor tensor;
    tensor.type = type->type;
    uint64_t values = 1;
    for (const json::Value& one : shape->get_array()) {
      const auto dim = AsSize(one);
      if (!dim || *dim == 0 || *dim > kMaxValues / values || tensor.dims.size() == kMaxDims) {
        return Bad(fmt::format("has a tensor \"{}\" of an impossible shape", shown));
      }
      values *= *dim;
      tensor.dims.push_back(*dim);
    }
    std::reverse(tensor.dims.begin(), tensor.dims.end());
    if (tensor.dims.empty()) tensor.dims = {1};
    const auto first = AsSize(range->get_array()[0]), last = AsSize(range->get_array()[1]);
    if (!first || !last || *first > *last) {
      return Bad(fmt::format("has a tensor \"{}\" with impossible data_offsets", shown));
    }
    if (*last > data_.size()) {
      return Bad(fmt::format("is cut short: tensor \"{}\" ends beyond its {} bytes; copy it again",
                             shown, bytes_.size()));
    }
    if (*last - *first != values * type->bytes) {
      return Bad(fmt::format("has a tensor \"{}\" of {} bytes, its shape needs {}", shown,
                             *last - *first, values * type->bytes));
    }
    tensor.data = data_.subspan(*first, *last - *first);
    *begin = *first;
    return tensor;
  }

  // Every byte belongs to one tensor; `tensors` are sorted by their place.
  Status CheckPlaces(const std::vector<std::pair<uint64_t, Tensor>>& tensors) const {
    uint64_t end = 0;
    for (const auto& [begin, tensor] : tensors) {
      if (begin != end) {
        return Bad(fmt::format(
            "has a tensor \"{}\" that {}", Printable(tensor.name),
            begin < end ? "overlaps the one before it" : "leaves bytes unused before it"));
      }
      end = begin + tensor.data.size();
    }
    if (end != data_.size()) {
      return Bad(fmt::format("has {} bytes behind its last tensor", data_.size() - end));
    }
    return {};
  }

 private:
  tl::unexpected<axollama::Error> Bad(std::string_view what) const {
    return Fail(ErrorKind::kInvalid, fmt::format("{} {}", path_.string(), what));
  }

  const std::filesystem::path& path_;
  std::span<const std::byte> bytes_;
  std::span<const std::byte> data_;
};

}  // namespace

Result<Safetensors> Safetensors::Open(const std::filesystem::path& path) {
  Safetensors out;
  AX_ASSIGN_OR_RETURN(out.file_, axollama::MappedFile::Open(path));
  Parser parser(path, out.file_.bytes());
  AX_ASSIGN_OR_RETURN(const json::Object header, parser.Header());
  std::vector<std::pair<uint64_t, Tensor>> placed;
  for (const auto& item : header) {
    const std::string_view name(item.key().data(), item.key().size());
    if (name == "__metadata__") continue;
    uint64_t begin = 0;
    AX_ASSIGN_OR_RETURN(Tensor tensor, parser.Entry(name, item.value(), &begin));
    tensor.name = out.names_.emplace_back(name);
    placed.emplace_back(begin, std::move(tensor));
  }
  std::sort(placed.begin(), placed.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  AX_RETURN_IF_ERROR(parser.CheckPlaces(placed));
  for (auto& [begin, tensor] : placed) out.tensors_.push_back(std::move(tensor));
  return out;
}

}  // namespace axsim::build
