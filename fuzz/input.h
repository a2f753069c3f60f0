// What the fuzz targets share: the bytes in the places where a parser expects them, and what every
// error must be.
//
// A target is one file with LLVMFuzzerTestOneInput. Under clang it is a libFuzzer program; under
// g++ replay.cc runs the seeds and mutations of them. A target aborts when a promise of its parser
// is broken; memory errors are the sanitizers' to find.
// Owner: the caller. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace axollama::fuzz {

inline std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// A copy that begins at a multiple of 64 bytes, as a mapping does, and ends with its allocation,
// so that a read beyond it is seen.
class AlignedCopy {
 public:
  AlignedCopy(const uint8_t* data, size_t size);
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t size_ = 0;
};

// A file in memory that holds the bytes, for parsers that open a path.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size);
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile();
  std::filesystem::path path() const;

 private:
  int fd_ = -1;
};

// An empty folder, removed at the end of the program. Made once; the target removes its files.
const std::filesystem::path& Folder();

// Without waiting for the disk.
void WriteFile(const std::filesystem::path& path, std::string_view content);

// What templates are rendered with.
inline constexpr std::string_view kConversation =
    R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","tool_calls":)"
    R"([{"function":{"name":"f","arguments":{"x":1}}}]}],"tools":[{"type":"function","function":)"
    R"({"name":"f","parameters":{"type":"object","properties":{"x":{"type":"integer"}}}}}]})";

// Aborts with the words if `good` is false.
void Require(bool good, std::string_view promise);

// An error says something, and does not hand the whole input back.
void CheckError(const Error& error);

template <typename T>
bool Check(const Result<T>& result) {
  if (!result) CheckError(result.error());
  return result.has_value();
}

}  // namespace axollama::fuzz
