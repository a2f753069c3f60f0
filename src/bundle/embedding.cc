#include <fmt/core.h>

#include <bit>
#include <cstring>

#include "base/bf16.h"
#include "base/file.h"
#include "base/half.h"
#include "bundle/bundle.h"
#include "bundle/npy.h"

namespace axollama::bundle {
namespace {

static_assert(std::endian::native == std::endian::little, "tables are read as they lie");

class MappedTable final : public EmbeddingTable {
 public:
  MappedTable(MappedFile file, size_t offset_bytes, NpyType type, uint32_t tokens, uint32_t width)
      : file_(std::move(file)),
        data_(file_.bytes().data() + offset_bytes),
        type_(type),
        tokens_(tokens),
        width_(width) {}

  uint32_t tokens() const override { return tokens_; }
  uint32_t width() const override { return width_; }

  Status Row(int32_t token, std::span<uint16_t> out) const override {
    if (token < 0 || static_cast<uint32_t>(token) >= tokens_) {
      return Fail(
          ErrorKind::kInvalid,
          fmt::format("token {} is outside the embedding table of {} rows", token, tokens_));
    }
    if (out.size() != width_) {
      return Fail(ErrorKind::kInternal,
                  fmt::format("embedding row of {} values read into {}", width_, out.size()));
    }
    const size_t first = static_cast<size_t>(token) * width_;
    switch (type_) {
      case NpyType::kBf16:
        std::memcpy(out.data(), data_ + first * 2, width_ * size_t{2});
        break;
      case NpyType::kF16:
        for (size_t i = 0; i < width_; ++i) {
          uint16_t half;
          std::memcpy(&half, data_ + (first + i) * 2, sizeof half);
          out[i] = FloatToBf16(HalfToFloat(half));
        }
        break;
      case NpyType::kF32:
        for (size_t i = 0; i < width_; ++i) {
          float value;
          std::memcpy(&value, data_ + (first + i) * 4, sizeof value);
          out[i] = FloatToBf16(value);
        }
        break;
    }
    return {};
  }

 private:
  MappedFile file_;
  const std::byte* data_;  // in file_; a .npy promises no alignment
  NpyType type_;
  uint32_t tokens_;
  uint32_t width_;
};

Result<std::shared_ptr<const EmbeddingTable>> OpenNpy(const std::filesystem::path& path,
                                                      MappedFile file,
                                                      std::optional<uint32_t> width) {
  AX_ASSIGN_OR_RETURN(const NpyHeader header, ReadNpyHeader(file.bytes(), path.string()));
  if (width && header.columns != *width) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}: the embedding table is {} wide, the model's hidden size is {}: it "
                            "belongs to another model",
                            path.string(), header.columns, *width));
  }
  return std::make_shared<MappedTable>(std::move(file), header.data_offset_bytes, header.type,
                                       header.rows, header.columns);
}

}  // namespace

Result<std::shared_ptr<const EmbeddingTable>> OpenEmbedding(const std::filesystem::path& path,
                                                            std::optional<uint32_t> width) {
  AX_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  const size_t size_bytes = file.bytes().size();
  if (size_bytes == 0) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} is empty (0 bytes): download it again", path.string()));
  }
  if (path.extension() == ".npy") return OpenNpy(path, std::move(file), width);
  if (!width || *width == 0) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}: the width of this raw table is not known: set "
                            "\"tokens_embed_size\" in config.json",
                            path.string()));
  }
  const size_t row_bytes = size_t{2} * *width;
  if (size_bytes % row_bytes != 0 || size_bytes / row_bytes > INT32_MAX) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{}: wrong size: {} bytes are not a whole number of bf16 rows of {} "
                            "values ({} bytes each): the file is cut or belongs to another model",
                            path.string(), size_bytes, *width, row_bytes));
  }
  return std::make_shared<MappedTable>(std::move(file), 0, NpyType::kBf16,
                                       static_cast<uint32_t>(size_bytes / row_bytes), *width);
}

}  // namespace axollama::bundle
