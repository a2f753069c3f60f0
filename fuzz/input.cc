#include "fuzz/input.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace axollama::fuzz {

namespace {
// An error may quote a name from the input, not the input.
constexpr size_t kMaxErrorBytes = 64u << 10;
}  // namespace

AlignedCopy::AlignedCopy(const uint8_t* data, size_t size) : size_(size) {
  void* memory = nullptr;
  Require(posix_memalign(&memory, 64, size + (size == 0)) == 0, "memory for the input");
  data_.reset(static_cast<std::byte*>(memory));
  if (size > 0) std::memcpy(memory, data, size);
}

void AlignedCopy::Free::operator()(std::byte* data) const { free(data); }

MemoryFile::MemoryFile(const uint8_t* data, size_t size) : fd_(memfd_create("input", MFD_CLOEXEC)) {
  Require(fd_ >= 0, "a file in memory");
  for (size_t done = 0; done < size;) {
    const ssize_t wrote = write(fd_, data + done, size - done);
    Require(wrote > 0, "the input in a file");
    done += static_cast<size_t>(wrote);
  }
}

MemoryFile::~MemoryFile() { close(fd_); }

std::filesystem::path MemoryFile::path() const { return "/proc/self/fd/" + std::to_string(fd_); }

const std::filesystem::path& Folder() {
  struct Holder {
    Holder() {
      std::string name = (std::filesystem::temp_directory_path() / "ax-fuzz-XXXXXX").string();
      Require(mkdtemp(name.data()) != nullptr, "a temporary folder");
      path = name;
    }
    ~Holder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
  };
  static const Holder holder;
  return holder.path;
}

void WriteFile(const std::filesystem::path& path, std::string_view content) {
  std::ofstream out(path, std::ios::binary);
  out << content;
  out.close();
  Require(out.good(), "the input in a file");
}

void Require(bool good, std::string_view promise) {
  if (good) return;
  fprintf(stderr, "error: broken promise: %.*s\n", static_cast<int>(promise.size()),
          promise.data());
  abort();
}

void CheckError(const Error& error) {
  Require(!error.message.empty(), "an error has words");
  Require(error.message.size() < kMaxErrorBytes, "an error is short");
}

}  // namespace axollama::fuzz
