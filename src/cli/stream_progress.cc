#include "cli/stream_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/progress_view.h"

namespace axollama::cli {

Status StreamProgress(Remote& remote, std::string_view path, const json::Object& body,
                      bool as_json) {
  ProgressView view(TerminalColumns(STDERR_FILENO));
  return remote.Stream(path, body, [&](const json::Object& line) -> Status {
    if (!as_json) {
      std::fputs(view.Update(line, MonotonicNs()).c_str(), stderr);
      return {};
    }
    fmt::print("{}\n", json::Write(line));
    if (std::fflush(stdout) != 0) return Fail(ErrorKind::kIo, "cannot write to standard output");
    return {};
  });
}

}  // namespace axollama::cli
