// One synchronous call through the calling thread's context: has its turn in the context's default
// stream, so that threads which share a context take turns, as on the vendor's one worker per
// stream.
// Threads: a local of one function.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "abi/axcl.h"
#include "sim/card/disturb.h"
#include "sim/card/driver.h"
#include "sim/card/turn.h"

namespace axsim::entry {

class Call {
 public:
  // `lost` is what the calls of this part of the ABI return when the card was rebooted under them.
  explicit Call(axclError lost) : context_(card::Driver::Get().CurrentContext()) {
    if (context_ == nullptr) {
      code_ = AXCL_ERR_CONTEXT_NOT_BOUND;
      return;
    }
    const int64_t asked_ns = card::Turn::Ask(session().costs);
    if (!context_->default_queue->Begin()) {  // the context was destroyed meanwhile
      context_ = nullptr;
      code_ = AXCL_ERR_CONTEXT_NOT_BOUND;
      return;
    }
    card::DisturbCall(session());
    if (session().IsUsable()) {
      turn_.emplace(session().costs, *context_->default_queue, card::TurnKind::kCall, asked_ns);
    } else {
      code_ = lost;
    }
  }
  ~Call() {
    turn_.reset();  // its time passes before the next has its turn
    if (context_ != nullptr) context_->default_queue->End();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  bool ok() const { return code_ == AXCL_SUCC; }
  axclError code() const { return code_; }
  card::Session& session() const { return *context_->session; }
  // Of a call that is ok. One that says nothing takes as long as any small call.
  card::Turn& turn() const { return *turn_; }

 private:
  std::shared_ptr<card::Context> context_;
  axclError code_ = AXCL_SUCC;
  mutable std::optional<card::Turn> turn_;
};

// Queues work on a stream that the program named: one that exists no more, or never did, is -1 as
// in axclrtSynchronizeStream.
inline axclError Submit(axclrtStream stream, card::Driver::Work work) {
  if (stream == nullptr) return AXCL_ERR_STREAM_NULL;
  const auto found = card::Driver::Get().FindStream(stream);
  return found == nullptr ? -1 : card::Driver::Submit(*found, std::move(work));
}

inline uint64_t Address(const void* device) {
  return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(device));
}
inline void* Pointer(uint64_t address) {
  return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
}

}  // namespace axsim::entry
