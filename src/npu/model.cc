#include "npu/model.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "npu/npu_model.h"
#include "npu/probe.h"

namespace axollama::npu {
namespace {

constexpr std::chrono::minutes kLeaseLimit{10};  // others load one after the other before us
// A card takes up to 10 s to report that its NPU failed.
constexpr std::chrono::seconds kFaultLimit{15};

// Holds the card-wide lease for a load.
class Lease {
 public:
  Lease() = default;
  ~Lease() {
    if (gate_ != nullptr) gate_->ReleaseLoad();
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Status Acquire(const LoadOptions& options) {
    if (options.gate == nullptr) return {};
    // Waiting for another process's load is no hang of this one.
    const auto waiting = [&options] {
      if (options.progress != nullptr) {
        options.progress->page().last_progress_ns.store(MonotonicNs());
      }
      return options.stop && options.stop();
    };
    AX_RETURN_IF_ERROR(options.gate->AcquireLoad(kLeaseLimit, waiting));
    gate_ = options.gate;
    return {};
  }

 private:
  device::CardGate* gate_ = nullptr;
};

}  // namespace

Status NpuModel::Start(const bundle::Bundle& bundle, const LoadOptions& options) {
  AX_ASSIGN_OR_RETURN(network_, Network::Load(link_, bundle, options.stop));
  bound_ = std::this_thread::get_id();
  embedding_ = bundle.embedding;
  const LayerShape& shape = network_->shape();
  limits_.context_tokens = shape.kv_rows() + 1;
  limits_.chunk_tokens = shape.chunk();
  limits_.max_prompt_tokens = limits_.context_tokens;
  if (!shape.prefill.empty()) {
    limits_.max_prompt_tokens =
        std::min(limits_.context_tokens, shape.prefill.back().usable_rows + shape.chunk());
  }
  limits_.vocab = network_->vocab();
  limits_.hidden = shape.hidden;
  limits_.layers = network_->layers();
  rows_.resize(size_t{shape.chunk()} * shape.hidden);
  indices_.resize(size_t{shape.chunk()} * shape.index_planes);
  mask_.resize(shape.mask_bytes() / kElementBytes);
  logits_.resize(limits_.vocab);
  return TryQueue(options.probes);
}

Status NpuModel::ProbeSteps(device::Queue* queue) {
  link_.Use(queue);
  AX_RETURN_IF_ERROR(network_->Queue(queue != nullptr));
  const auto last = static_cast<int32_t>(limits_.vocab - 1);
  AX_RETURN_IF_ERROR(Settled(StepAndPost(last / 2, 0)));
  return Settled(StepAndPost(last, limits_.context_tokens > 1 ? 1 : 0));
}

Status NpuModel::TryQueue(const std::filesystem::path& probes) {
  using State = ProbeRecord::State;
  device::Device& device = link_.device();
  const auto call_by_call = [](std::string_view why) {
    log::Info("npu", "each call to the card is waited for: {}", why);
    return Status();
  };
  Result<std::unique_ptr<device::Queue>> queue = device.CreateQueue();
  if (!queue) return call_by_call(queue.error().message);
  const ProbeRecord record(probes, LibraryIdentity(device.library(), device.library_version()),
                           network_->firmware());
  const State known = record.Read();
  if (known == State::kTrying || known == State::kFails) {
    return call_by_call(fmt::format(
        "{} says that queued work {} with this library and firmware; "
        "delete it to try again",
        record.path().string(), known == State::kFails ? "fails" : "ended the process"));
  }
  if (const Status ready = network_->Queue(true); !ready) {
    AX_RETURN_IF_ERROR(network_->Queue(false));
    return call_by_call(ready.error().message);
  }
  if (known != State::kWorks) {
    if (const Status noted = record.Write(State::kTrying); !noted) {
      AX_RETURN_IF_ERROR(network_->Queue(false));
      return call_by_call(fmt::format("queued work is not tried, since that cannot be noted: {}",
                                      noted.error().message));
    }
  }
  const auto note = [&record](State state, std::string_view reason) {
    if (const Status noted = record.Write(state, reason); !noted) {
      log::Warn("npu", "{}", noted.error().message);
    }
  };

  queue_ = *std::move(queue);
  Status queued = ProbeSteps(queue_.get());
  if (link_.lost()) {
    note(State::kFails, queued.error().message);
    return queued;
  }
  const std::vector<float> logits = logits_;
  const int64_t start_ns = MonotonicNs();
  if (const Status plain = ProbeSteps(nullptr); !plain) {
    record.Forget();  // nothing was found out but that the card is in trouble
    return plain;
  }
  const int64_t step_ns = (MonotonicNs() - start_ns) / 2;
  if (queued && std::memcmp(logits.data(), logits_.data(), logits.size() * sizeof(float)) != 0) {
    queued = Fail(ErrorKind::kDevice, "queued work gave other logits");
  }
  if (!queued) {
    const bool refused = queued.error().kind == ErrorKind::kUnavailable;
    note(refused ? State::kUnsupported : State::kFails, queued.error().message);
    queue_.reset();
    return call_by_call(queued.error().message);
  }
  if (known != State::kWorks) note(State::kWorks, "");
  link_.Use(queue_.get());
  // What is waited for at once is never more than a chunk, which is never as slow as its rows one
  // by one; ten times that, since the machine may be busy.
  link_.LimitWaits(kFaultLimit +
                   std::chrono::milliseconds(10 * limits_.chunk_tokens * step_ns / 1'000'000));
  log::Info("npu", "calls to the card are queued and waited for once a token");
  AX_RETURN_IF_ERROR(network_->Queue(true));
  return MeasureOtherCalls();
}

Status NpuModel::MeasureOtherCalls() {
  constexpr int kSteps = 5;
  link_.LeaveOutExecutes(true);
  const int64_t start_ns = MonotonicNs();
  for (int i = 0; i < kSteps; ++i) {
    Status status = Settled(StepAndPost(0, 0));  // an error, since nothing is computed
    if (link_.lost()) return status;
  }
  link_.LeaveOutExecutes(false);
  // Three uploads and the mark, two copies a layer, the logits.
  const int64_t calls = kSteps * (2 * int64_t{limits_.layers} + 5);
  link_.SetOtherCallNs((MonotonicNs() - start_ns) / calls);
  return {};
}

Result<std::unique_ptr<Model>> Model::Load(device::Device& device, const bundle::Bundle& bundle,
                                           const LoadOptions& options) {
  AX_RETURN_IF_ERROR(device::CheckFits(device.backend(), bundle.simulator));
  Lease lease;
  AX_RETURN_IF_ERROR(lease.Acquire(options));
  auto model = std::make_unique<NpuModel>(device, options);
  AX_RETURN_IF_ERROR(model->Start(bundle, options));
  return model;
}

}  // namespace axollama::npu
