#include "base/disk_room.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

namespace axollama {
namespace {

std::string Gigabytes(uint64_t bytes) {
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

}  // namespace

Status CheckDiskRoom(const std::filesystem::path& folder, uint64_t bytes, std::string_view what) {
  struct statvfs disk{};
  std::filesystem::path there = folder;
  while (statvfs(there.c_str(), &disk) != 0) {
    if (there == there.parent_path()) return {};
    there = there.parent_path();
  }
  const uint64_t free_bytes = uint64_t{disk.f_bavail} * disk.f_frsize;
  if (bytes <= free_bytes) return {};
  return Fail(ErrorKind::kIo,
              fmt::format("not enough room on the disk of {}: {} needs {}, {} are free",
                          folder.string(), what, Gigabytes(bytes), Gigabytes(free_bytes)));
}

}  // namespace axollama
