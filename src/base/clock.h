// Time as numbers: the monotonic clock for durations, the wall clock for people. Threads: any.
#pragma once

#include <cstdint>
#include <string>

namespace axollama {

int64_t MonotonicNs();  // CLOCK_MONOTONIC: comparable between processes until a reboot
int64_t WallNs();       // nanoseconds since 1970-01-01 UTC

// RFC 3339 in UTC with nanoseconds, as Go writes it: 2026-11-27T12:05:18.123456789Z.
std::string FormatTime(int64_t wall_ns);

}  // namespace axollama
