#include "shim/stub.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>

namespace axollama::shim {
namespace {

constexpr uint32_t kStringType = 8;
constexpr uint64_t kMaxNameBytes = 1024;

// Little-endian, as GGUF is and so is every machine that this runs on.
template <typename T>
bool Take(std::istream& in, T* value) {
  return static_cast<bool>(in.read(reinterpret_cast<char*>(value), sizeof(*value)));
}

bool TakeString(std::istream& in, std::string* text) {
  uint64_t size = 0;
  if (!Take(in, &size) || size > kMaxNameBytes) return false;
  text->resize(size);
  return static_cast<bool>(in.read(text->data(), static_cast<std::streamsize>(size)));
}

}  // namespace

Result<std::optional<std::string>> ReadStub(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return Fail(ErrorKind::kIo,
                fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
  }
  char magic[4] = "";
  uint32_t version = 0;
  uint64_t tensors = 0, entries = 0;
  const bool head = in.read(magic, sizeof(magic)) && Take(in, &version) && Take(in, &tensors) &&
                    Take(in, &entries);
  if (!head || std::memcmp(magic, "GGUF", 4) != 0 || entries == 0) return std::nullopt;
  std::string key;
  uint32_t type = 0;
  if (!TakeString(in, &key) || key != kModelKey || !Take(in, &type) || type != kStringType) {
    return std::nullopt;
  }
  std::string name;
  if (!TakeString(in, &name)) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} is cut off", file.string()));
  }
  return name;
}

}  // namespace axollama::shim
