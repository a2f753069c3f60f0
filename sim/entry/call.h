// One synchronous call through the calling thread's context: holds the context's default stream,
// so that threads which share a context take turns, as on the vendor's one worker per stream.
// Threads: a local of one function.
#pragma once

#include <memory>
#include <mutex>

#include "abi/axcl.h"
#include "sim/card/driver.h"

namespace axsim::entry {

class Call {
 public:
  // `lost` is what the calls of this part of the ABI return when the card was rebooted under them.
  explicit Call(axclError lost) : context_(card::Driver::Get().CurrentContext()) {
    if (context_ == nullptr) {
      code_ = AXCL_ERR_CONTEXT_NOT_BOUND;
      return;
    }
    stream_ = std::unique_lock(context_->stream);
    if (!session().IsUsable()) code_ = lost;
  }
  bool ok() const { return code_ == AXCL_SUCC; }
  axclError code() const { return code_; }
  card::Session& session() const { return *context_->session; }

 private:
  std::shared_ptr<card::Context> context_;
  std::unique_lock<std::mutex> stream_;
  axclError code_ = AXCL_SUCC;
};

inline uint64_t Address(const void* device) {
  return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(device));
}
inline void* Pointer(uint64_t address) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
}

}  // namespace axsim::entry
