#include "store/blobs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "store/files.h"
#include "store/manifest.h"

namespace axollama::store {
namespace {

namespace fs = std::filesystem;

std::string FileName(std::string_view digest) { return fmt::format("sha256-{}", digest); }

tl::unexpected<Error> WriteError(std::string_view file) {
  return Fail(ErrorKind::kIo,
              fmt::format("cannot write {}: {}", file, std::generic_category().message(errno)));
}

}  // namespace

BlobWriter::BlobWriter(BlobWriter&& other) noexcept
    : folder_(std::move(other.folder_)),
      file_(std::exchange(other.file_, "")),
      fd_(std::exchange(other.fd_, -1)),
      sum_(other.sum_) {}

BlobWriter::~BlobWriter() {
  if (fd_ >= 0) close(fd_);
  if (!file_.empty()) unlink(file_.c_str());
}

Status BlobWriter::Append(std::string_view bytes) {
  sum_.Update(bytes);
  while (!bytes.empty()) {
    const ssize_t n = write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return WriteError(file_);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Status BlobWriter::Commit(std::string_view digest) {
  const std::string got = sum_.Hex();
  if (got != digest) {
    return Fail(
        ErrorKind::kInvalid,
        fmt::format("digest mismatch, expected \"sha256:{}\", got \"sha256:{}\"", digest, got));
  }
  if (fchmod(fd_, 0644) != 0 || fsync(fd_) != 0) return WriteError(file_);
  if (rename(file_.c_str(), (folder_ / FileName(digest)).c_str()) != 0) return WriteError(file_);
  file_.clear();
  return SyncFolder(folder_);
}

fs::path Blobs::PathOf(std::string_view digest) const { return folder_ / FileName(digest); }

bool Blobs::Has(std::string_view digest) const {
  return utimensat(AT_FDCWD, PathOf(digest).c_str(), nullptr, 0) == 0;
}

Result<BlobWriter> Blobs::Begin() const {
  AX_RETURN_IF_ERROR(MakeFolder(folder_));
  AX_RETURN_IF_ERROR(MakeFolder(temporary_));
  std::string file = (temporary_ / "blob-XXXXXX").string();
  const int fd = mkostemp(file.data(), O_CLOEXEC);
  if (fd < 0) return WriteError(file);
  return BlobWriter(folder_, std::move(file), fd);
}

Result<std::string> Blobs::Put(std::string_view content, bool* is_new) const {
  std::string digest = Sha256Hex(content);
  // One that is there but damaged is written again.
  *is_new = !Has(digest) || !Read(digest);
  if (!*is_new) return digest;
  AX_ASSIGN_OR_RETURN(BlobWriter writer, Begin());
  AX_RETURN_IF_ERROR(writer.Append(content));
  AX_RETURN_IF_ERROR(writer.Commit(digest));
  return digest;
}

Result<std::string> Blobs::Read(std::string_view digest) const {
  const fs::path path = PathOf(digest);
  AX_ASSIGN_OR_RETURN(std::string content, ReadFile(path, kMaxTextBytes));
  if (Sha256Hex(content) != digest) {
    return Fail(ErrorKind::kIo,
                fmt::format("{} is damaged: create the model again, or pull it", path.string()));
  }
  return content;
}

void Blobs::Remove(std::string_view digest) const { unlink(PathOf(digest).c_str()); }

void Blobs::Prune(const std::function<bool(const std::string&)>& wanted) const {
  std::error_code error;
  for (fs::directory_iterator it(folder_, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    const auto digest = ParseDigest(it->path().filename().string());
    if (digest && !wanted(*digest) && OlderThanAnHour(it->path())) {
      std::error_code ignored;
      fs::remove(it->path(), ignored);
    }
  }
}

}  // namespace axollama::store
