// What this card can do beyond the plain chain is tried when a model is loaded.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "npu/npu_model.h"
#include "npu/probe.h"

namespace axollama::npu {
namespace {

// A card takes up to 10 s to report that its NPU failed.
constexpr std::chrono::seconds kFaultLimit{15};

std::string Identity(const device::Device& device) {
  return LibraryIdentity(device.library(), device.library_version());
}

}  // namespace

Status NpuModel::Compare(ProbeRecord* record, const std::function<Status(bool)>& steps,
                         Status* result) {
  *result = steps(true);
  if (link_.lost()) {
    record->End(*result);
    return *result;
  }
  const std::vector<std::byte> logits(logits_.bytes().begin(), logits_.bytes().end());
  if (Status plain = steps(false); !plain) {
    record->Forget();  // nothing was found out but that the card is in trouble
    return plain;
  }
  if (*result &&
      !std::equal(logits.begin(), logits.end(), logits_.bytes().begin(), logits_.bytes().end())) {
    *result = Fail(ErrorKind::kDevice, "it gave other logits");
  }
  record->End(*result);
  return {};
}

Status NpuModel::RunSteps(int32_t first_token, uint32_t steps) {
  for (uint32_t i = 0; i < steps; ++i) {
    const auto token = (static_cast<uint32_t>(first_token) + i) % limits_.vocab;
    AX_RETURN_IF_ERROR(Settled(StepAndPost(static_cast<int32_t>(token), i)));
  }
  return {};
}

Status NpuModel::TryQueue(const std::filesystem::path& probes) {
  device::Device& device = link_.device();
  const auto call_by_call = [](std::string_view why) {
    log::Info("npu", "each call to the card is waited for: {}", why);
    return Status();
  };
  Result<std::unique_ptr<device::Queue>> queue = device.CreateQueue();
  if (!queue) return call_by_call(queue.error().message);
  ProbeRecord record(probes, "async", Identity(device), network_->firmware());
  Status may = network_->Queue(true);
  if (may) may = record.Begin();
  if (!may) {
    AX_RETURN_IF_ERROR(network_->Queue(false));
    return call_by_call(may.error().message);
  }

  queue_ = *std::move(queue);
  constexpr uint32_t kSteps = 2;  // the second depends on the first
  const uint32_t steps = std::min(kSteps, limits_.context_tokens);
  int64_t start_ns = 0;
  Status queued;
  const auto both_ways = [&](bool on) -> Status {
    link_.Use(on ? queue_.get() : nullptr);
    AX_RETURN_IF_ERROR(network_->Queue(on));
    start_ns = MonotonicNs();
    return RunSteps(static_cast<int32_t>(limits_.vocab / 2), steps);
  };
  AX_RETURN_IF_ERROR(Compare(&record, both_ways, &queued));
  if (!queued) {
    queue_.reset();
    return call_by_call(queued.error().message);
  }
  const int64_t step_ns = (MonotonicNs() - start_ns) / steps;
  link_.Use(queue_.get());
  // What is waited for at once is never more than a chunk, which is never as slow as its rows one
  // by one; ten times that, since the machine may be busy.
  link_.LimitWaits(kFaultLimit +
                   std::chrono::milliseconds(10 * limits_.chunk_tokens * step_ns / 1'000'000));
  log::Info("npu", "calls to the card are queued and waited for once a token");
  AX_RETURN_IF_ERROR(network_->Queue(true));
  return MeasureOtherCalls();
}

Status NpuModel::TryBoundRows(const std::filesystem::path& probes) {
  constexpr uint32_t kSteps = 4;  // the last reads rows of the first three
  if (limits_.context_tokens < kSteps || !network_->BindRows(true)) return {};
  AX_RETURN_IF_ERROR(network_->BindRows(false));
  ProbeRecord record(probes, "rows", Identity(link_.device()), network_->firmware());
  Status bound = record.Begin();
  if (bound) {
    // Other tokens than before: their rows are still in the caches.
    const auto both_ways = [&](bool on) -> Status {
      AX_RETURN_IF_ERROR(network_->BindRows(on));
      return RunSteps(static_cast<int32_t>(limits_.vocab / 3), kSteps);
    };
    AX_RETURN_IF_ERROR(Compare(&record, both_ways, &bound));
  }
  if (!bound) {
    log::Info("npu", "new rows are copied into the caches: {}", bound.error().message);
    return {};
  }
  log::Info("npu", "new rows are written straight into the caches");
  return network_->BindRows(true);
}

Status NpuModel::MeasureOtherCalls() {
  constexpr int kSteps = 5;
  int64_t fastest_ns = std::numeric_limits<int64_t>::max();  // others were interrupted
  link_.LeaveOutExecutes(true);
  for (int i = 0; i < kSteps; ++i) {
    const int64_t start_ns = MonotonicNs();
    Status status = Settled(StepAndPost(0, 0));  // an error, since nothing is computed
    if (link_.lost()) return status;
    fastest_ns = std::min(fastest_ns, MonotonicNs() - start_ns);
  }
  link_.LeaveOutExecutes(false);
  // Three uploads and the mark, two copies a layer, the logits.
  link_.SetOtherCallNs(fastest_ns / (2 * int64_t{limits_.layers} + 5));
  return {};
}

}  // namespace axollama::npu
