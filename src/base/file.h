// Files: memory-mapped reads, whole reads and atomic writes. Threads: any.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama {

// A file mapped read-only. Owner: the holder; the bytes live as long as the object, also when the
// file is renamed or deleted meanwhile. Movable, not copyable. Threads: reads from any thread.
class MappedFile {
 public:
  // Refuses what is not a regular file. An empty file gives an empty span.
  static Result<MappedFile> Open(const std::filesystem::path& path);

  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_bytes_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_bytes_ = 0;
};

// Reads a whole regular file of at most `max_bytes`; a longer one is an error, not cut.
Result<std::string> ReadFile(const std::filesystem::path& path, size_t max_bytes = 64u << 20);

// Writes a temporary file beside `path`, syncs it, and renames it over `path`, so that a reader or
// a crash sees the old or the new content, never a part. `mode`: its permissions.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content,
                           mode_t mode = 0644);

}  // namespace axollama
