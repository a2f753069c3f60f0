// How long one loaded model stays: Ollama's keep_alive, with the time given from outside.
//
// The clock runs from the end of the last request; a request that gives keep_alive replaces the
// model's value, one that gives none keeps it.
// Owner and threads: plain value, under the lock of Models. Times: MonotonicNs().
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace axollama::server {

class KeepAlive {
 public:
  static constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

  explicit KeepAlive(int64_t duration_ns) : duration_ns_(duration_ns) {}

  void Begin(std::optional<int64_t> requested_ns) {
    if (requested_ns) duration_ns_ = *requested_ns;
    ++users_;
  }
  void End(int64_t now_ns) {
    if (users_ > 0) --users_;
    expires_ns_ = After(now_ns);
  }
  bool idle() const { return users_ == 0; }
  bool Due(int64_t now_ns) const { return idle() && now_ns >= expires_ns_; }
  int64_t duration_ns() const { return duration_ns_; }
  // When it will be unloaded; while it is in use: if the use ended now.
  int64_t ExpiresNs(int64_t now_ns) const { return idle() ? expires_ns_ : After(now_ns); }

 private:
  int64_t After(int64_t now_ns) const {
    return duration_ns_ >= kForever - now_ns ? kForever : now_ns + duration_ns_;
  }
  int64_t duration_ns_;
  int64_t expires_ns_ = kForever;
  uint32_t users_ = 0;
};

}  // namespace axollama::server
