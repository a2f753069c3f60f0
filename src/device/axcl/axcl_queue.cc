#include "device/axcl/axcl_queue.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "device/axcl/axcl_model.h"
#include "device/axcl/errors.h"

namespace axollama::device::axcl {
namespace {

void* Pointer(Address address) { return reinterpret_cast<void*>(address.value); }

Status Check(std::string_view symbol, axclError code, std::string_view detail) {
  if (code == AXCL_SUCC) return {};
  Error error = Describe(symbol, code, detail);
  // The memory code stands for any failure on the card; only an allocation means "full".
  if (error.kind == ErrorKind::kNoMemory) error.kind = ErrorKind::kDevice;
  return Fail(std::move(error));
}

class AxclQueue final : public Queue {
 public:
  AxclQueue(std::shared_ptr<const Api> api, axclrtStream stream)
      : api_(std::move(api)), stream_(stream) {}
  // The plain destroy waits for what is queued, without a limit.
  ~AxclQueue() override {
    if (failed_) {
      api_->rtDestroyStreamForce(stream_);
    } else {
      api_->rtDestroyStream(stream_);
    }
  }

  Status CopyUp(Address to, std::span<const std::byte> from) override {
    return Check("axclrtMemcpyAsync",
                 api_->rtMemcpyAsync(Pointer(to), from.data(), from.size(),
                                     AXCL_MEMCPY_HOST_TO_DEVICE, stream_),
                 "a copy to the card");
  }
  Status CopyDown(std::span<std::byte> to, Address from) override {
    return Check("axclrtMemcpyAsync",
                 api_->rtMemcpyAsync(to.data(), Pointer(from), to.size(),
                                     AXCL_MEMCPY_DEVICE_TO_HOST, stream_),
                 "a copy from the card");
  }
  Status CopyOnDevice(Address to, Address from, uint64_t size_bytes) override {
    return Check("axclrtMemcpyAsync",
                 api_->rtMemcpyAsync(Pointer(to), Pointer(from), size_bytes,
                                     AXCL_MEMCPY_DEVICE_TO_DEVICE, stream_),
                 "a copy on the card");
  }
  Status Fill(Address address, uint8_t value, uint64_t size_bytes) override {
    return Check("axclrtMemsetAsync",
                 api_->rtMemsetAsync(Pointer(address), value, size_bytes, stream_), "");
  }
  Status Execute(LoadedModel& model, uint32_t group, Io& io) override {
    return QueueExecute(model, group, io, stream_);
  }
  Status Wait(std::chrono::milliseconds limit) override {
    const int64_t most = std::numeric_limits<int32_t>::max();
    const auto limit_ms = static_cast<int32_t>(std::clamp<int64_t>(limit.count(), 0, most));
    const axclError code = api_->rtSynchronizeStreamWithTimeout(stream_, limit_ms);
    if (code == AXCL_SUCC) return {};
    failed_ = true;
    return Check("axclrtSynchronizeStreamWithTimeout", code, fmt::format("{} ms", limit_ms));
  }

 private:
  std::shared_ptr<const Api> api_;
  axclrtStream stream_;
  bool failed_ = false;  // a wait
};

}  // namespace

Result<std::unique_ptr<Queue>> CreateQueue(std::shared_ptr<const Api> api) {
  std::string_view missing;
  const auto need = [&missing](auto function, std::string_view name) {
    if (function == nullptr && missing.empty()) missing = name;
  };
  need(api->rtCreateStream, "axclrtCreateStream");
  need(api->rtDestroyStream, "axclrtDestroyStream");
  need(api->rtDestroyStreamForce, "axclrtDestroyStreamForce");
  need(api->rtSynchronizeStreamWithTimeout, "axclrtSynchronizeStreamWithTimeout");
  need(api->rtMemcpyAsync, "axclrtMemcpyAsync");
  need(api->rtMemsetAsync, "axclrtMemsetAsync");
  need(api->rtEngineExecuteAsync, "axclrtEngineExecuteAsync");
  if (!missing.empty()) {
    return Fail(ErrorKind::kUnavailable, fmt::format("{} has no {}", api->path, missing));
  }
  axclrtStream stream = nullptr;
  const axclError code = api->rtCreateStream(&stream);
  if (code != AXCL_SUCC || stream == nullptr) {
    Error error = Describe("axclrtCreateStream", code);
    if (code == AXCL_ERR_UNSUPPORT) error.kind = ErrorKind::kUnavailable;
    return Fail(std::move(error));
  }
  return std::make_unique<AxclQueue>(std::move(api), stream);
}

}  // namespace axollama::device::axcl
