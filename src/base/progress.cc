#include "base/progress.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

namespace axollama {
namespace {

constexpr size_t kPageBytes = 4096;
static_assert(sizeof(ProgressPage) <= kPageBytes);
static_assert(std::atomic<int64_t>::is_always_lock_free);

tl::unexpected<Error> MapError(const char* doing, const std::filesystem::path& path) {
  return Fail(ErrorKind::kIo, fmt::format("cannot {} the progress file {}: {}", doing,
                                          path.string(), std::generic_category().message(errno)));
}

ProgressPage* MapShared(int fd) {
  void* page = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE,
                    fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);
  return page == MAP_FAILED ? nullptr : static_cast<ProgressPage*>(page);
}

}  // namespace

Result<Progress> Progress::Create(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return MapError("create", path);
  ProgressPage* page = ftruncate(fd, kPageBytes) == 0 ? MapShared(fd) : nullptr;
  if (page == nullptr) {
    auto error = MapError("map", path);
    close(fd);
    return error;
  }
  close(fd);
  page->magic.store(ProgressPage::kMagic);
  return Progress(page);
}

Result<Progress> Progress::Open(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return MapError("open", path);
  struct stat info{};
  // A page beyond the file's end would be a SIGBUS at the first touch.
  const bool whole = fstat(fd, &info) == 0 && info.st_size >= static_cast<off_t>(kPageBytes);
  ProgressPage* page = whole ? MapShared(fd) : nullptr;
  close(fd);
  if (page == nullptr || page->magic.load() != ProgressPage::kMagic) {
    if (page != nullptr) munmap(page, kPageBytes);
    return Fail(ErrorKind::kInvalid, fmt::format("{} is no progress file", path.string()));
  }
  return Progress(page);
}

Progress Progress::Private() {
  ProgressPage* page = MapShared(-1);
  if (page == nullptr) throw std::bad_alloc();
  page->magic.store(ProgressPage::kMagic);
  return Progress(page);
}

Progress& Progress::operator=(Progress&& other) noexcept {
  std::swap(page_, other.page_);
  return *this;
}

Progress::~Progress() {
  if (page_ != nullptr) munmap(page_, kPageBytes);
}

}  // namespace axollama
