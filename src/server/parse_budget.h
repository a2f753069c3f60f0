// What the parsed bodies of all requests that are being handled may take together: some dozens of
// bytes for each byte of a body made for that.
//
// Owner: Routes. Threads: any.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string_view>

#include "base/result.h"

namespace axollama::server {

class ParseBudget {
 public:
  explicit ParseBudget(size_t total_bytes) : total_bytes_(total_bytes) {}

  // At most about what a body takes once json::Parse has read it.
  static size_t Cost(std::string_view body);

  // Calls `use`; what parsing `body` can take counts until it returns. kBusy: too much is counted
  // already.
  Status With(std::string_view body, const std::function<void()>& use);

 private:
  const size_t total_bytes_;
  std::mutex mutex_;
  size_t used_bytes_ = 0;
};

}  // namespace axollama::server
