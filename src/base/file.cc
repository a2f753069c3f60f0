#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

namespace axollama {
namespace {

tl::unexpected<Error> FileError(const char* doing, const std::filesystem::path& path) {
  const int error = errno;
  return Fail(error == ENOENT ? ErrorKind::kNotFound : ErrorKind::kIo,
              fmt::format("cannot {} {}: {}", doing, path.string(),
                          std::generic_category().message(error)));
}

// Closes at the end of the scope.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

Result<struct stat> RegularFile(int fd, const std::filesystem::path& path) {
  struct stat info{};
  if (fstat(fd, &info) != 0) return FileError("read", path);
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} is not a regular file", path.string()));
  }
  return info;
}

}  // namespace

Result<MappedFile> MappedFile::Open(const std::filesystem::path& path) {
  // O_NONBLOCK: a FIFO in place of the file must not hang the caller.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return FileError("open", path);
  AX_ASSIGN_OR_RETURN(const struct stat info, RegularFile(file.fd, path));
  MappedFile mapped;
  if (info.st_size == 0) return mapped;
  const auto size_bytes = static_cast<size_t>(info.st_size);
  void* data = mmap(nullptr, size_bytes, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data == MAP_FAILED) return FileError("map", path);
  mapped.data_ = static_cast<const std::byte*>(data);
  mapped.size_bytes_ = size_bytes;
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_bytes_);
}

Result<std::string> ReadFile(const std::filesystem::path& path, size_t max_bytes) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return FileError("open", path);
  AX_ASSIGN_OR_RETURN(const struct stat info, RegularFile(file.fd, path));
  const auto size_bytes = static_cast<size_t>(info.st_size);
  if (size_bytes > max_bytes) {
    return Fail(ErrorKind::kInvalid, fmt::format("{} has {} bytes, more than the {} allowed",
                                                 path.string(), size_bytes, max_bytes));
  }
  std::string content(size_bytes, '\0');
  size_t done = 0;
  while (done < size_bytes) {
    const ssize_t n = read(file.fd, content.data() + done, size_bytes - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError("read", path);
    if (n == 0) break;  // became shorter while it was read
    done += static_cast<size_t>(n);
  }
  content.resize(done);
  return content;
}

Status WriteFileAtomically(const std::filesystem::path& path, std::string_view content,
                           mode_t mode) {
  std::string temporary = path.string() + ".XXXXXX";
  const Descriptor file{mkostemp(temporary.data(), O_CLOEXEC)};
  if (file.fd < 0) return FileError("create a file beside", path);
  const auto fail = [&](const char* doing) {
    auto error = FileError(doing, path);
    unlink(temporary.c_str());
    return error;
  };
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = write(file.fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail("write");
    done += static_cast<size_t>(n);
  }
  if (fchmod(file.fd, mode) != 0 || fsync(file.fd) != 0) return fail("write");
  if (rename(temporary.c_str(), path.c_str()) != 0) return fail("replace");
  return {};
}

}  // namespace axollama
