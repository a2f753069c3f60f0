#include "base/clock.h"

#include <fmt/format.h>

#include <ctime>

namespace axollama {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

int64_t Now(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * kNsPerSecond + now.tv_nsec;
}

}  // namespace

int64_t MonotonicNs() { return Now(CLOCK_MONOTONIC); }
int64_t WallNs() { return Now(CLOCK_REALTIME); }

std::string FormatTime(int64_t wall_ns) {
  int64_t fraction = wall_ns % kNsPerSecond;
  if (fraction < 0) fraction += kNsPerSecond;
  const auto seconds = static_cast<time_t>((wall_ns - fraction) / kNsPerSecond);
  tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, fraction);
}

}  // namespace axollama
