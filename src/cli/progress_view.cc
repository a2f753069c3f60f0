#include "cli/progress_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/one_line.h"
#include "cli/command.h"

namespace axollama::cli {
namespace {

constexpr int64_t kRedrawNs = 100'000'000;  // often enough to look alive
constexpr int kShortestBar = 8, kLongestBar = 40;
constexpr size_t kMostBars = 16;  // fewer than any terminal has lines

std::string Size(int64_t bytes) {
  return HumanBytes(static_cast<uint64_t>(std::max<int64_t>(0, bytes)));
}

}  // namespace

std::string BarText(std::string_view label, int64_t completed, int64_t total,
                    double bytes_per_second, int columns) {
  const double part =
      total > 0 ? std::clamp(static_cast<double>(completed) / static_cast<double>(total), 0.0, 1.0)
                : 0;
  const std::string head = fmt::format("{}: {:>3.0f}% ", label, part * 100);
  std::string tail = fmt::format(" {}/{}", Size(completed), Size(total));
  if (bytes_per_second >= 1) {
    tail += fmt::format("  {}/s", Size(static_cast<int64_t>(bytes_per_second)));
    const double left_s = static_cast<double>(total - completed) / bytes_per_second;
    if (left_s >= 1 && left_s < 360'000) {
      const auto s = static_cast<int64_t>(left_s);
      tail += s < 60 ? fmt::format("  {}s", s) : fmt::format("  {}m{:02}s", s / 60, s % 60);
    }
  }
  const int room = columns - 1 - static_cast<int>(head.size() + tail.size()) - 2;
  if (room < kShortestBar)
    return (head + tail).substr(0, static_cast<size_t>(std::max(1, columns - 1)));
  const int length = std::min(room, kLongestBar);
  const int filled = static_cast<int>(part * length);
  std::string bar(static_cast<size_t>(filled), '=');
  if (filled < length) bar += '>';
  return fmt::format("{}[{:<{}}]{}", head, bar, length, tail);
}

std::string ProgressView::Update(const json::Object& line, int64_t now_ns) {
  const std::string status = OneLine(TextField(line, "status"));
  if (NumberField(line, "total") > 0) return UpdateBar(line, status, now_ns);
  if (status.empty() || status == last_status_) return "";
  last_status_ = status;
  // Whatever was under way is done when the next step begins.
  std::string finished;
  if (columns_ > 0) {
    for (const Bar& bar : bars_)
      finished += BarText(bar.label, bar.completed, bar.total, 0, columns_) + "\n";
  }
  bars_.clear();
  finished_.clear();
  finished += status + "\n";
  return columns_ > 0 ? Redraw(finished, now_ns) : finished;
}

std::string ProgressView::UpdateBar(const json::Object& line, const std::string& status,
                                    int64_t now_ns) {
  const std::string digest = TextField(line, "digest");
  const std::string& key = digest.empty() ? status : digest;
  const int64_t completed = NumberField(line, "completed");
  const bool told = std::find(finished_.begin(), finished_.end(), key) != finished_.end();
  if (told && completed >= NumberField(line, "total")) return "";
  auto bar = std::find_if(bars_.begin(), bars_.end(), [&](const Bar& b) { return b.key == key; });
  if (bar == bars_.end()) {
    if (bars_.size() == kMostBars) bars_.erase(bars_.begin());
    bars_.push_back({key, status, 0, completed, completed, now_ns});
    bar = bars_.end() - 1;
  }
  bar->total = NumberField(line, "total");
  bar->completed = completed;
  if (columns_ == 0) {
    const int64_t tenth = static_cast<int64_t>(10.0 * static_cast<double>(completed) /
                                               static_cast<double>(bar->total));
    if (tenth == bar->last_tenth) return "";
    bar->last_tenth = tenth;
    return fmt::format("{}: {}% of {}\n", status, std::min<int64_t>(tenth, 10) * 10,
                       Size(bar->total));
  }
  std::string finished;
  if (completed >= bar->total) {
    finished = BarText(bar->label, completed, bar->total, 0, columns_) + "\n";
    finished_.push_back(key);
    bars_.erase(bar);
  } else if (now_ns - drawn_ns_ < kRedrawNs && drawn_lines_ > 0) {
    return "";
  }
  return Redraw(finished, now_ns);
}

std::string ProgressView::Redraw(const std::string& finished, int64_t now_ns) {
  std::string out;
  // To the first line of what was drawn, and away with it.
  if (drawn_lines_ > 0) out += fmt::format("\x1b[{}A", drawn_lines_);
  out += "\r\x1b[J";
  out += finished;
  for (const Bar& bar : bars_) {
    const double seconds = static_cast<double>(now_ns - bar.begin_ns) / 1e9;
    const double speed =
        seconds > 0.5 ? static_cast<double>(bar.completed - bar.begin_completed) / seconds : 0;
    out += BarText(bar.label, bar.completed, bar.total, speed, columns_) + "\n";
  }
  drawn_lines_ = bars_.size();
  drawn_ns_ = now_ns;
  return out;
}

}  // namespace axollama::cli
