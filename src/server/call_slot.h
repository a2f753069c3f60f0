// The call that a request has open to its runner, so that others can end it: the client by leaving,
// the supervisor because the runner is stuck, the server because it stops.
//
// Owner: a shared_ptr of the request and of its model. Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "net/client.h"

namespace axollama::server {

enum class StopReason { kNone, kClientGone, kStalled, kReset, kShutdown };

class CallSlot {
 public:
  // From now on `call` is what Cancel ends; at once if a reason is there already. Remove it (with
  // nullptr) before it is destroyed.
  void Set(net::ClientCall* call) {
    std::lock_guard lock(mutex_);
    call_ = call;
    if (call_ != nullptr && reason_ != StopReason::kNone) call_->Cancel();
  }
  void Cancel(StopReason reason) {
    std::lock_guard lock(mutex_);
    if (reason_ == StopReason::kNone) reason_ = reason;
    if (call_ != nullptr) call_->Cancel();
  }
  StopReason reason() const {
    std::lock_guard lock(mutex_);
    return reason_;
  }

  // For the watch over stuck runners: when the call last moved, and whether it waits for its
  // client to read, which is no fault of the runner.
  std::atomic<int64_t> moved_ns{0};
  std::atomic<bool> waits_for_client{false};

 private:
  mutable std::mutex mutex_;
  net::ClientCall* call_ = nullptr;
  StopReason reason_ = StopReason::kNone;
};

}  // namespace axollama::server
