#include "cli/history_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/env.h"
#include "base/file.h"

namespace axollama::cli {
namespace {

constexpr size_t kKeptLines = 1'000, kLongLines = 2'000;
constexpr size_t kMaxLineBytes = 64u << 10;

Status MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::is_directory(folder, error)) return {};
  std::filesystem::create_directories(folder, error);
  if (!error) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  if (!error) return {};
  return Fail(ErrorKind::kIo, fmt::format("cannot make {}: {}", folder.string(), error.message()));
}

}  // namespace

std::filesystem::path HistoryFile::DefaultPath() { return StateDir() / "history"; }

Result<std::vector<std::string>> HistoryFile::Read() {
  std::vector<std::string> lines;
  std::error_code error;
  if (!std::filesystem::exists(path_, error)) return lines;
  AX_ASSIGN_OR_RETURN(const std::string text, ReadFile(path_));
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  const bool long_file = lines.size() > kLongLines;
  if (lines.size() > kKeptLines) {
    lines.erase(lines.begin(), lines.end() - static_cast<ptrdiff_t>(kKeptLines));
  }
  if (long_file) {
    AX_RETURN_IF_ERROR(
        WriteFileAtomically(path_, fmt::format("{}\n", fmt::join(lines, "\n")), 0600));
  }
  return lines;
}

Status HistoryFile::Add(std::string_view line) {
  if (line.empty() || line.size() > kMaxLineBytes || line.find('\n') != std::string_view::npos) {
    return {};
  }
  AX_RETURN_IF_ERROR(MakeFolder(path_.parent_path()));
  const int file =
      open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  const std::string text = fmt::format("{}\n", line);
  // One write: lines of programs that add at the same time do not mix.
  const bool written = file >= 0 && fchmod(file, 0600) == 0 &&
                       write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int number = errno;
  if (file >= 0) close(file);
  if (written) return {};
  return Fail(ErrorKind::kIo, fmt::format("cannot write {}: {}", path_.string(),
                                          std::generic_category().message(number)));
}

}  // namespace axollama::cli
