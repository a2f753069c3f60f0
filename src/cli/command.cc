#include "cli/command.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/one_line.h"

namespace axollama::cli {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kForeverSeconds = int64_t{20} * 365 * 86400;  // what Ollama shows as "Forever"

size_t Columns(std::string_view text) {  // characters, not bytes
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

bool ParseOrExit(CLI::App& app, int argc, char** argv, int* exit_code) {
  try {
    app.parse(argc, argv);
    return true;
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    *exit_code = 0;
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "error: {} (see {} --help)\n", OneLine(error.what()), app.get_name());
    *exit_code = kWrongUsage;
  }
  return false;
}

int Report(const Error& error) {
  if (error.kind == ErrorKind::kCancelled) return kInterrupted;
  fmt::print(stderr, "error: {}\n", OneLine(error.message));
  return kFailed;
}

void PrintTable(std::vector<std::vector<std::string>> rows) {
  std::vector<size_t> widths;
  for (auto& row : rows) {
    for (std::string& cell : row) cell = OneLine(cell);
  }
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Columns(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - Columns(row[i]) + 3, ' ');
    }
    fmt::print("{}\n", line);
  }
}

std::string HumanBytes(uint64_t bytes) {
  constexpr uint64_t kKilo = 1000;
  if (bytes < kKilo) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* next : {"KB", "MB", "GB", "TB"}) {
    if (value < kKilo) break;
    value /= kKilo;
    unit = next;
  }
  return value >= 10 ? fmt::format("{:.0f} {}", value, unit)
                     : fmt::format("{:.1f} {}", value, unit);
}

std::string HumanTime(int64_t delta_s) {
  if (delta_s > kForeverSeconds) return "Forever";
  const char* direction = delta_s < 0 ? "ago" : "from now";
  const int64_t s = delta_s < 0 ? -delta_s : delta_s;
  const auto count = [&](int64_t n, const char* unit) {
    return fmt::format("{} {}{} {}", n, unit, n == 1 ? "" : "s", direction);
  };
  if (s < 1) return delta_s < 0 ? "Less than a second ago" : "Less than a second from now";
  if (s < 60) return count(s, "second");
  if (s < 3600) return count(s / 60, "minute");
  if (s < 48 * 3600) return count(s / 3600, "hour");
  if (s < 14 * 86400) return count(s / 86400, "day");
  if (s < 60 * 86400) return count(s / (7 * 86400), "week");
  if (s < 730 * 86400) return count(s / (30 * 86400), "month");
  return count(s / (365 * 86400), "year");
}

std::string GoDuration(int64_t ns) {
  if (ns < 1000) return fmt::format("{}ns", ns);
  if (ns < 1'000'000) return fmt::format("{:.9g}µs", static_cast<double>(ns) / 1e3);
  if (ns < kNsPerSecond) return fmt::format("{:.9g}ms", static_cast<double>(ns) / 1e6);
  const int64_t minutes = ns / (60 * kNsPerSecond);
  const double seconds = static_cast<double>(ns % (60 * kNsPerSecond)) / 1e9;
  return minutes == 0 ? fmt::format("{:.10g}s", seconds)
                      : fmt::format("{}m{:.10g}s", minutes, seconds);
}

int64_t ParseTime(const std::string& text) {
  tm parts{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) return 0;
  int64_t fraction = 0;
  if (*rest == '.') {
    int64_t scale = kNsPerSecond;
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest) {
      scale /= 10;
      fraction += (*rest - '0') * scale;
    }
  }
  int64_t offset_s = 0;
  int hours = 0, minutes = 0;
  if ((*rest == '+' || *rest == '-') && std::sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2) {
    offset_s = (*rest == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
  }
  return (static_cast<int64_t>(timegm(&parts)) - offset_s) * kNsPerSecond + fraction;
}

std::string TextField(const json::Object& object, std::string_view key) {
  return json::GetString(object, key, "").value_or("");
}

int64_t NumberField(const json::Object& object, std::string_view key) {
  return json::GetInt(object, key, 0).value_or(0);
}

json::Value KeepAliveValue(const std::string& text) {
  const auto number = json::Parse(text);
  return number && number->is_number() ? *number : json::Value(text);
}

int TerminalColumns(int fd) {
  winsize size{};
  return isatty(fd) == 1 && ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace axollama::cli
