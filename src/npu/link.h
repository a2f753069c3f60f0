// The device as the hot path uses it: every call is counted, timed and seen by the supervisor.
//
// With a queue, copies, fills and executes only begin, in order, and Wait ends them; without one
// each is done when it returns, and Wait has nothing to do. The chain is written once for both: it
// calls Wait where it needs results, or host memory of copies again.
// Owner: the Model; device, queue, counters and progress page outlive it. Threads: the model's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/clock.h"
#include "base/progress.h"
#include "device/device.h"
#include "npu/model.h"

namespace axollama::npu {

class Link {
 public:
  Link(device::Device& device, Counters& counters, ProgressPage* page)
      : device_(device), counters_(counters), page_(page) {}

  device::Device& device() { return device_; }
  ProgressPage* page() { return page_; }

  // From now on work is queued there; null: it is done at once. Nothing may be queued.
  void Use(device::Queue* queue) { queue_ = queue; }
  bool queues() const { return queue_ != nullptr; }
  // How long a Wait may last. A card takes up to 10 s to report that its NPU failed.
  void LimitWaits(std::chrono::milliseconds limit) { limit_ = limit; }

  Status CopyUp(device::Address to, std::span<const std::byte> from) {
    Add(counters_.bytes_up, from.size());
    return Other(queue_ ? queue_->CopyUp(to, from) : device_.CopyUp(to, from));
  }
  Status CopyDown(std::span<std::byte> to, device::Address from) {
    Add(counters_.bytes_down, to.size());
    return Other(queue_ ? queue_->CopyDown(to, from) : device_.CopyDown(to, from));
  }
  Status CopyOnDevice(device::Address to, device::Address from, uint64_t size_bytes) {
    return Other(queue_ ? queue_->CopyOnDevice(to, from, size_bytes)
                        : device_.CopyOnDevice(to, from, size_bytes));
  }
  Status Fill(device::Address address, uint8_t value, uint64_t size_bytes) {
    return Other(queue_ ? queue_->Fill(address, value, size_bytes)
                        : device_.Fill(address, value, size_bytes));
  }
  Status Execute(device::LoadedModel& model, uint32_t group, device::Io& io) {
    if (leaves_out_executes_) return {};
    if (queue_ != nullptr) {
      executes_queued_ = true;
      return Done(queue_->Execute(model, group, io));
    }
    const int64_t start_ns = MonotonicNs();
    Status status = Done(model.Execute(group, io));
    AddExecuting(MonotonicNs() - start_ns);
    return status;
  }

  // Until all is done that was queued. A queue that does not end in time is kDevice, and lost.
  Status Wait() {
    if (queue_ == nullptr) return {};
    Status status = Done(queue_->Wait(limit_));
    const int64_t took_ns = MonotonicNs() - std::exchange(queued_since_ns_, 0);
    const auto others = static_cast<int64_t>(std::exchange(others_queued_, 0));
    if (std::exchange(executes_queued_, false)) AddExecuting(took_ns - others * other_call_ns_);
    if (status) return {};
    lost_ = true;
    status.error().kind = ErrorKind::kDevice;
    return status;
  }
  // To find out what a step takes without its executes. What it computes is nothing.
  void LeaveOutExecutes(bool leave) { leaves_out_executes_ = leave; }
  // What a queued call takes that is no execute, so that the executes' own time is known.
  void SetOtherCallNs(int64_t ns) { other_call_ns_ = ns; }

  // What was queued may still run, so nothing can be computed any more.
  bool lost() const { return lost_; }

  // For calls that go to the device directly while loading.
  Status Done(Status status) {
    Add(counters_.device_calls, 1);
    if (page_ != nullptr) {
      Add(page_->device_calls, 1);
      page_->last_progress_ns.store(MonotonicNs(), std::memory_order_relaxed);
    }
    return status;
  }

 private:
  // One writer: no locked instruction is needed.
  static void Add(std::atomic<uint64_t>& counter, uint64_t amount) {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }

  void AddExecuting(int64_t ns) {
    if (ns > 0) Add(counters_.execute_ns, static_cast<uint64_t>(ns));
  }
  // A call that is no execute.
  Status Other(Status status) {
    if (queue_ != nullptr) {
      ++others_queued_;
      if (queued_since_ns_ == 0) queued_since_ns_ = MonotonicNs();
    }
    return Done(std::move(status));
  }

  device::Device& device_;
  Counters& counters_;
  ProgressPage* page_;
  device::Queue* queue_ = nullptr;
  std::chrono::milliseconds limit_{60'000};
  // Since the last wait.
  int64_t queued_since_ns_ = 0;  // when the first call was queued; 0: none was
  uint32_t others_queued_ = 0;
  bool executes_queued_ = false;
  int64_t other_call_ns_ = 0;
  bool leaves_out_executes_ = false;
  bool lost_ = false;
};

// Device memory, freed by its destructor; the model's thread must be bound.
class Buffer {
 public:
  static Result<Buffer> Allocate(device::Device& device, uint64_t size_bytes) {
    AX_ASSIGN_OR_RETURN(const device::Address address, device.Allocate(size_bytes));
    return Buffer(&device, address, size_bytes);
  }
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : device_(std::exchange(other.device_, nullptr)),
        address_(other.address_),
        size_bytes_(other.size_bytes_) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(address_, other.address_);
    std::swap(size_bytes_, other.size_bytes_);
    return *this;
  }
  ~Buffer() {
    if (device_ != nullptr) (void)device_->Free(address_);
  }

  device::Address address() const { return address_; }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  Buffer(device::Device* device, device::Address address, uint64_t size_bytes)
      : device_(device), address_(address), size_bytes_(size_bytes) {}

  device::Device* device_ = nullptr;
  device::Address address_;
  uint64_t size_bytes_ = 0;
};

}  // namespace axollama::npu
