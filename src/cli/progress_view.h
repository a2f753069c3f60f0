// The progress lines of pull and create, as a person sees them.
//
// On a terminal the blobs under way are bars that are drawn anew below what is finished; elsewhere
// there is a plain line per step and per tenth of a blob. Returns what to write, and writes nothing
// itself. Owner: the command. Threads: one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace axollama::cli {

class ProgressView {
 public:
  // `columns`: of the terminal, 0 when there is none.
  explicit ProgressView(int columns) : columns_(columns) {}

  // Of one line of the answer: {"status":...} and maybe digest, total, completed (bytes).
  // `now_ns` is monotonic.
  std::string Update(const json::Object& line, int64_t now_ns);

 private:
  struct Bar {
    std::string key, label;
    int64_t total = 0, completed = 0;
    int64_t begin_completed = 0, begin_ns = 0;  // of this run: speeds are of what it brought
    int64_t last_tenth = -1;                    // plain lines only
  };
  std::string UpdateBar(const json::Object& line, const std::string& status, int64_t now_ns);
  std::string Redraw(const std::string& finished, int64_t now_ns);

  const int columns_;
  std::vector<Bar> bars_;              // under way
  std::vector<std::string> finished_;  // keys of those that are not, for what is told again
  std::string last_status_;
  size_t drawn_lines_ = 0;
  int64_t drawn_ns_ = 0;
};

// "pulling 0123:  45% [=====>     ] 1.2 GB/2.5 GB  23 MB/s  56s", at most `columns` wide.
std::string BarText(std::string_view label, int64_t completed, int64_t total,
                    double bytes_per_second, int columns);

}  // namespace axollama::cli
