#include "bundle/axmodel_info.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <functional>
#include <protozero/exception.hpp>
#include <protozero/varint.hpp>
#include <system_error>

#include "base/file.h"

namespace axollama::bundle {
namespace {

// A file has a handful of top-level fields, and graph entries for each weight, group, and tensor of
// a group: of a whole stack two per layer, for as many groups as the ladder has steps.
constexpr size_t kMaxFields = 600'000;
constexpr size_t kMaxTensors = 250'000;

// Visits the length-delimited and varint fields of one message: `visit(field, bytes, number)`,
// `bytes` for wire type 2, `number` for wire type 0; false ends the walk. protozero's pbf_reader
// keeps lengths in 32 bits, and a graph may be longer, so only its varint decoder is used.
// False if the bytes are no message.
using Visitor = std::function<bool(uint32_t field, std::string_view bytes, uint64_t number)>;
bool Walk(std::string_view message, const Visitor& visit) {
  const char* at = message.data();
  const char* const end = at + message.size();
  try {
    for (size_t count = 0; at != end; ++count) {
      if (count == kMaxFields) return false;
      const uint64_t tag = protozero::decode_varint(&at, end);
      const uint64_t field = tag >> 3;
      if (field == 0 || field > 0x1fffffff) return false;
      std::string_view bytes;
      uint64_t number = 0;
      switch (tag & 7) {
        case 0:
          number = protozero::decode_varint(&at, end);
          break;
        case 1:
        case 5: {
          const ptrdiff_t width = (tag & 7) == 1 ? 8 : 4;
          if (end - at < width) return false;
          at += width;
          continue;
        }
        case 2: {
          const uint64_t length = protozero::decode_varint(&at, end);
          if (length > static_cast<uint64_t>(end - at)) return false;
          bytes = {at, static_cast<size_t>(length)};
          at += length;
          break;
        }
        default:
          return false;
      }
      if (!visit(static_cast<uint32_t>(field), bytes, number)) return true;
    }
  } catch (const protozero::exception&) {
    return false;
  }
  return true;
}

// ValueInfoProto: name = 1, type = 2 { tensor_type = 1 { shape = 2 { dim = 1 { dim_value = 1 }}}}.
bool ReadValueInfo(std::string_view message, std::vector<ShellTensor>* out) {
  if (out->size() == kMaxTensors) return false;
  ShellTensor tensor;
  const auto on_dim = [&](uint32_t field, std::string_view, uint64_t number) {
    if (field == 1) tensor.dims.push_back(static_cast<int64_t>(number));
    return tensor.dims.size() <= 32;
  };
  bool good = true;
  const auto descend = [&good](uint32_t wanted, const Visitor& visit) -> Visitor {
    return [&good, wanted, visit](uint32_t field, std::string_view bytes, uint64_t) {
      if (field == wanted) good = good && Walk(bytes, visit);
      return good;
    };
  };
  const Visitor on_type = descend(1, descend(2, descend(1, on_dim)));
  good = Walk(message,
              [&](uint32_t field, std::string_view bytes, uint64_t) {
                if (field == 1) tensor.name = bytes;
                if (field == 2) good = good && Walk(bytes, on_type);
                return good;
              }) &&
         good;
  out->push_back(std::move(tensor));
  return good;
}

// NodeProto: attribute = 5; AttributeProto: name = 1, s = 4.
bool ReadNode(std::string_view node, std::string* program) {
  bool good = true;
  return Walk(node,
              [&](uint32_t field, std::string_view bytes, uint64_t) {
                if (field != 5) return true;
                std::string_view name, text;
                good = Walk(bytes, [&](uint32_t part, std::string_view value, uint64_t) {
                  if (part == 1) name = value;
                  if (part == 4) text = value;
                  return true;
                });
                if (good && name == "axsim_program") *program = text;
                return good && program->empty();
              }) &&
         good;
}

// GraphProto: node = 1, input = 11, output = 12.
bool ReadGraph(std::string_view graph, AxmodelInfo* info) {
  bool good = true;
  return Walk(graph,
              [&](uint32_t field, std::string_view bytes, uint64_t) {
                if (field == 1 && info->program.empty()) good = ReadNode(bytes, &info->program);
                if (field == 11) good = ReadValueInfo(bytes, &info->inputs);
                if (field == 12) good = ReadValueInfo(bytes, &info->outputs);
                return good;
              }) &&
         good;
}

}  // namespace

Result<AxmodelInfo> ParseAxmodelInfo(std::span<const std::byte> file, std::string_view name) {
  AxmodelInfo info;
  bool good = true;
  bool graph = false;
  // ModelProto: producer_name = 2, graph = 7.
  const bool walked = Walk({reinterpret_cast<const char*>(file.data()), file.size()},
                           [&](uint32_t field, std::string_view bytes, uint64_t) {
                             if (field == 2) info.producer = bytes.substr(0, 256);
                             if (field == 7) {
                               graph = true;
                               good = ReadGraph(bytes, &info);
                             }
                             return good;
                           });
  if (!walked || !good || !graph) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} is not an .axmodel file, or it is cut: download it again", name));
  }
  return info;
}

Result<AxmodelInfo> ReadAxmodelInfo(const std::filesystem::path& path) {
  AX_RETURN_IF_ERROR(CheckPlausibleFile(path));
  AX_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  return ParseAxmodelInfo(file.bytes(), path.string());
}

std::optional<uint32_t> LastDim(const std::vector<ShellTensor>& tensors, std::string_view name) {
  for (const ShellTensor& tensor : tensors) {
    if (tensor.name != name && tensor.name != std::string(name) + "_0") continue;
    if (tensor.dims.empty() || tensor.dims.back() <= 0 || tensor.dims.back() > INT32_MAX) continue;
    return static_cast<uint32_t>(tensor.dims.back());
  }
  return std::nullopt;
}

std::optional<uint32_t> RowsOf(const std::vector<ShellTensor>& tensors, std::string_view name) {
  for (const ShellTensor& tensor : tensors) {
    const size_t count = tensor.dims.size();
    if (tensor.name != name || count < 2) continue;
    const int64_t rows = tensor.dims[count - 2];
    if (rows > 0 && rows <= INT32_MAX) return static_cast<uint32_t>(rows);
  }
  return std::nullopt;
}

uint32_t CountLayers(const std::vector<ShellTensor>& tensors) {
  uint32_t count = 0;
  for (const ShellTensor& tensor : tensors) {
    std::string_view name = tensor.name;
    if (!name.starts_with("k_cache_") && !name.starts_with("K_cache_")) continue;
    name.remove_prefix(std::string_view("k_cache_").size());
    uint32_t index = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
    const std::string_view rest(end, static_cast<size_t>(name.data() + name.size() - end));
    if (error == std::errc{} && index < kMaxTensors && (rest.empty() || rest == "_0")) {
      count = std::max(count, index + 1);
    }
  }
  return count;
}

Status CheckPlausibleFile(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} is missing", path.string()));
  }
  if (!std::filesystem::is_regular_file(path, error)) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} is not a regular file", path.string()));
  }
  const uint64_t size_bytes = std::filesystem::file_size(path, error);
  if (error) {
    return Fail(ErrorKind::kIo, fmt::format("{}: {}", path.string(), error.message()));
  }
  if (size_bytes == 0) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} is empty (0 bytes): download it again", path.string()));
  }
  static constexpr std::string_view kPointer = "version https://git-lfs.github.com/spec/";
  if (size_bytes < 1024) {
    std::ifstream stream(path, std::ios::binary);
    std::string start(kPointer.size(), '\0');
    stream.read(start.data(), static_cast<std::streamsize>(start.size()));
    if (start == kPointer) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{} is a Git LFS pointer, not the file itself: run `git lfs install` "
                              "and `git lfs pull` in {}",
                              path.string(), path.parent_path().string()));
    }
  }
  return {};
}

}  // namespace axollama::bundle
