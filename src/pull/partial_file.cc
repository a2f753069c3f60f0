#include "pull/partial_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/sha256.h"
#include "pull/sha1.h"

namespace axollama::pull {
namespace {

namespace fs = std::filesystem;

// A process that is killed loses at most this much of each part.
constexpr uint64_t kSaveEvery = 1u << 20;
constexpr uint64_t kMagic = 0x3150584155504c4c;  // of the state file's form

tl::unexpected<Error> IoError(const char* doing, const fs::path& path) {
  return Fail(ErrorKind::kIo, fmt::format("cannot {} {}: {}", doing, path.string(),
                                          std::generic_category().message(errno)));
}

bool WriteAt(int fd, const void* data, size_t size, uint64_t at) {
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = pwrite(fd, bytes, size, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    at += static_cast<uint64_t>(n);
    size -= static_cast<size_t>(n);
  }
  return true;
}

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

template <typename Sum>
Status SumFile(const fs::path& path, const std::function<bool()>& ended, Sum* sum) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return IoError("open", path);
  posix_fadvise(file.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  std::string buffer(256u << 10, '\0');
  for (;;) {
    const ssize_t n = read(file.fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return IoError("read", path);
    if (n == 0) return {};
    if (ended()) return Fail(ErrorKind::kCancelled, "the download was cancelled");
    sum->Update({buffer.data(), static_cast<size_t>(n)});
  }
}

}  // namespace

Status CheckDigest(const fs::path& path, const Digest& wanted, const std::function<bool()>& ended) {
  std::string got, want;
  if (!wanted.sha256.empty()) {
    Sha256 sum;
    AX_RETURN_IF_ERROR(SumFile(path, ended, &sum));
    got = "sha256:" + sum.Hex();
    want = "sha256:" + wanted.sha256;
  } else if (!wanted.git_sha1.empty()) {
    // A git blob is "blob SIZE", a zero byte and the content.
    std::error_code error;
    Sha1 sum;
    sum.Update(fmt::format("blob {}", fs::file_size(path, error)) + std::string(1, '\0'));
    AX_RETURN_IF_ERROR(SumFile(path, ended, &sum));
    got = "sha1:" + sum.Hex();
    want = "sha1:" + wanted.git_sha1;
  }
  if (!got.empty() && got == want) return {};
  return Fail(
      ErrorKind::kInternal,
      fmt::format("digest mismatch, file must be downloaded again: want {}, got {}", want, got));
}

PartialFile::PartialFile(PartialFile&& other) noexcept
    : path_(std::move(other.path_)),
      size_bytes_(other.size_bytes_),
      parts_(std::move(other.parts_)),
      data_(std::exchange(other.data_, -1)),
      state_(std::exchange(other.state_, -1)),
      resumed_(other.resumed_) {}

PartialFile::~PartialFile() {
  if (data_ >= 0) close(data_);
  if (state_ >= 0) close(state_);
}

Result<PartialFile> PartialFile::Open(const fs::path& path, uint64_t size_bytes,
                                      uint64_t part_bytes) {
  PartialFile file(path);
  file.size_bytes_ = size_bytes;
  file.MakeParts(part_bytes);
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  file.data_ = open(file.PartPath().c_str(), kFlags, 0644);
  if (file.data_ < 0) return IoError("open", file.PartPath());
  file.state_ = open(file.StatePath().c_str(), kFlags, 0644);
  if (file.state_ < 0) return IoError("open", file.StatePath());
  if (file.LoadState()) {
    file.resumed_ = file.done_bytes() > 0;
    return file;
  }
  AX_RETURN_IF_ERROR(file.Restart(false));
  return file;
}

void PartialFile::MakeParts(uint64_t part_bytes) {
  parts_.clear();
  for (uint64_t begin = 0; begin < size_bytes_; begin += part_bytes) {
    Part part;
    part.begin = begin;
    part.size = std::min(part_bytes, size_bytes_ - begin);
    parts_.push_back(part);
  }
  if (parts_.empty()) parts_.emplace_back();  // an empty file has one part, which is done
}

bool PartialFile::LoadState() {
  struct stat info{};
  if (fstat(data_, &info) != 0 || static_cast<uint64_t>(info.st_size) != size_bytes_) return false;
  std::vector<uint64_t> state(3 + parts_.size());
  const size_t bytes = state.size() * sizeof(uint64_t);
  if (pread(state_, state.data(), bytes, 0) != static_cast<ssize_t>(bytes)) return false;
  if (state[0] != kMagic || state[1] != size_bytes_ || state[2] != parts_.size()) return false;
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (state[3 + i] > parts_[i].size) return false;
  }
  for (size_t i = 0; i < parts_.size(); ++i) parts_[i].done = parts_[i].saved = state[3 + i];
  return true;
}

Status PartialFile::WriteState() {
  std::vector<uint64_t> state = {kMagic, size_bytes_, parts_.size()};
  state.resize(3 + parts_.size(), 0);
  if (ftruncate(state_, 0) != 0 ||
      !WriteAt(state_, state.data(), state.size() * sizeof(uint64_t), 0)) {
    return IoError("write", StatePath());
  }
  return {};
}

uint64_t PartialFile::done_bytes() const {
  uint64_t sum = 0;
  for (const Part& part : parts_) sum += part.done;
  return sum;
}

Status PartialFile::Write(size_t index, std::string_view bytes) {
  Part& part = parts_[index];
  if (!WriteAt(data_, bytes.data(), bytes.size(), part.begin + part.done)) {
    return IoError("write", PartPath());
  }
  part.done += bytes.size();
  if (part.done - part.saved >= kSaveEvery) return SaveState(index);
  return {};
}

Status PartialFile::SaveState(size_t index) {
  Part& part = parts_[index];
  if (part.saved == part.done) return {};
  if (!WriteAt(state_, &part.done, sizeof(part.done), (3 + index) * sizeof(uint64_t))) {
    return IoError("write", StatePath());
  }
  part.saved = part.done;
  return {};
}

Status PartialFile::Restart(bool whole) {
  if (whole) MakeParts(std::max<uint64_t>(size_bytes_, 1));
  for (Part& part : parts_) part.done = part.saved = 0;
  resumed_ = false;
  // The state goes first: it must never say more than there is.
  AX_RETURN_IF_ERROR(WriteState());
  if (ftruncate(data_, 0) != 0 || ftruncate(data_, static_cast<off_t>(size_bytes_)) != 0) {
    return IoError("write", PartPath());
  }
  return {};
}

Status PartialFile::Finish() {
  if (fsync(data_) != 0) return IoError("sync", PartPath());
  std::error_code error;
  fs::rename(PartPath(), path_, error);
  if (error) {
    return Fail(ErrorKind::kIo,
                fmt::format("cannot rename {}: {}", PartPath().string(), error.message()));
  }
  fs::remove(StatePath(), error);
  return {};
}

void PartialFile::Remove() {
  std::error_code error;
  fs::remove(StatePath(), error);
  fs::remove(PartPath(), error);
}

}  // namespace axollama::pull
