// keep_alive: how long a model stays loaded after a request, in Go's duration grammar.
//
// Owner and threads: plain functions. Unit: nanoseconds; what does not fit 63 bits saturates.
// Source: Ollama's api.Duration, Go's time.ParseDuration.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace axollama::api {

inline constexpr int64_t kKeepAliveForever = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kKeepAliveDefaultNs = 300'000'000'000;  // 5 minutes

// Go's time.ParseDuration: "5m", "1h30m", "-1.5s", ".5s", "2562047h47m16.854775807s", "0". Beyond
// the range of 64 bits it saturates, where Go fails. The errors are Go's:
// `time: missing unit in duration "300"`.
Result<int64_t> ParseDuration(std::string_view text);

// The request's field. Absent or null: nothing. A number is seconds, a string a duration; a
// negative one of either is kKeepAliveForever; 0 unloads when the request ends.
Result<std::optional<int64_t>> ParseKeepAlive(const json::Object& request);

// An environment variable or flag: a whole or decimal number of seconds, or a duration.
Result<int64_t> ParseKeepAliveText(std::string_view text);

}  // namespace axollama::api
