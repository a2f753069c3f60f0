// Bodies that a client compressed: zstd, which some clients send to Ollama.
//
// Threads: any. Source: RFC 9110 8.4, RFC 8878.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>

#include "base/result.h"
#include "net/http.h"

namespace axollama::net {

// `request` with its body as it was before Content-Encoding. kInvalid: another encoding than zstd,
// bytes that are no zstd, or more than `limit_bytes` of them. At most that and as much again is
// allocated, whatever the body claims.
Result<Request> Decompressed(const Request& request, size_t limit_bytes);

// Takes bodies apart, one at a time, and bounds what all of those in use take together: a
// thousandth of that may be all that was sent. Owner: who handles requests; outlives them.
class PlainBodies {
 public:
  PlainBodies(size_t limit_bytes, size_t total_bytes)
      : limit_bytes_(limit_bytes), total_bytes_(total_bytes) {}

  // Calls `use` with the request as Decompressed makes it; its body counts until `use` returns.
  // The errors are Decompressed's, and kBusy: too much is in use.
  Status With(const Request& request, const std::function<void(const Request& plain)>& use);

 private:
  const size_t limit_bytes_;
  const size_t total_bytes_;
  std::mutex mutex_;
  size_t used_bytes_ = 0;
};

}  // namespace axollama::net
