#include "device/axcl/axcl_device.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "device/axcl/api.h"
#include "device/axcl/axcl_model.h"
#include "device/axcl/axcl_queue.h"
#include "device/axcl/errors.h"
#include "device/library.h"

namespace axollama::device::axcl {
namespace {

constexpr size_t kMaxVersionBytes = 256;

void* Pointer(Address address) { return reinterpret_cast<void*>(address.value); }

class AxclDevice final : public Device {
 public:
  explicit AxclDevice(std::shared_ptr<const Api> api) : api_(std::move(api)) {}

  // The vendor's order; models and IOs are gone by now. Failures change nothing here: the process
  // lets go either way.
  ~AxclDevice() override {
    if (taken_) {
      api_->rtSetCurrentContext(context_);
      api_->rtEngineFinalize();
      api_->rtResetDevice(card_.id);
    }
    if (initialised_) api_->Finalize();
  }

  Status Start(std::optional<int32_t> id) {
    axclError code = api_->Init(nullptr);
    no_card_ = code == AXCL_ERR_DEVICE_OPEN || code == AXCL_ERR_DEVICE_NO_CONNECT;
    if (code != AXCL_SUCC) return Fail(Describe("axclInit", code));
    initialised_ = true;
    if (api_->rtGetFullVersion != nullptr) {
      const char* version = api_->rtGetFullVersion();
      if (version != nullptr) version_.assign(version, strnlen(version, kMaxVersionBytes));
    }
    AX_ASSIGN_OR_RETURN(const std::vector<Card> cards, ListCards());
    if (cards.empty()) {
      no_card_ = true;
      return Fail(Describe("axclrtGetDeviceList", AXCL_ERR_DEVICE_NO_CONNECT));
    }
    card_ = cards.front();
    if (!id) return {};
    const auto it =
        std::find_if(cards.begin(), cards.end(), [&](const Card& card) { return card.id == *id; });
    if (it == cards.end()) {
      std::string ids;
      for (const Card& card : cards) ids += fmt::format("{}{}", ids.empty() ? "" : ", ", card.id);
      return Fail(ErrorKind::kNotFound,
                  fmt::format("no card has the id {}: there is {}", *id, ids));
    }
    card_ = *it;
    return {};
  }

  // Start failed because there is no driver or no card.
  bool no_card() const { return no_card_; }
  Backend backend() const override { return api_->simulated ? Backend::kSim : Backend::kAxcl; }
  std::string_view library() const override { return api_->path; }
  std::string_view library_version() const override { return version_; }
  const Card& card() const override { return card_; }

  Result<std::vector<Card>> ListCards() override {
    axclrtDeviceList list{};
    const axclError code = api_->rtGetDeviceList(&list);
    no_card_ = code == AXCL_ERR_DEVICE_NO_CONNECT;
    if (code != AXCL_SUCC) return Fail(Describe("axclrtGetDeviceList", code));
    if (list.num > AXCL_MAX_DEVICE_COUNT) {
      return Fail(ErrorKind::kDevice,
                  fmt::format("axclrtGetDeviceList says {} cards: not believable", list.num));
    }
    std::vector<Card> cards;
    for (uint32_t i = 0; i < list.num; ++i) {
      const int32_t id = list.devices[i];
      cards.push_back({id, id == card_.id ? card_.uid : 0});
    }
    return cards;
  }

  Status BindThread() override {
    if (!taken_) return Take();
    const axclError code = api_->rtSetCurrentContext(context_);
    if (code != AXCL_SUCC) return Fail(Describe("axclrtSetCurrentContext", code));
    return {};
  }

  Result<Properties> ReadProperties(int32_t id) override;
  Status Reboot(int32_t id) override;

  Result<Address> Allocate(uint64_t size_bytes) override {
    void* pointer = nullptr;
    const axclError code = api_->rtMalloc(&pointer, size_bytes, AXCL_MEM_MALLOC_HUGE_FIRST);
    if (code != AXCL_SUCC || pointer == nullptr) {
      Error error = Describe("axclrtMalloc", code, fmt::format("{} bytes", size_bytes));
      if (code == AXCL_SUCC) error.kind = ErrorKind::kNoMemory;
      return Fail(std::move(error));
    }
    return Address{reinterpret_cast<uint64_t>(pointer)};
  }
  Status Free(Address address) override {
    return Check("axclrtFree", api_->rtFree(Pointer(address)));
  }
  Status Fill(Address address, uint8_t value, uint64_t size_bytes) override {
    return Check("axclrtMemset", api_->rtMemset(Pointer(address), value, size_bytes));
  }
  Status CopyUp(Address to, std::span<const std::byte> from) override {
    return Check("axclrtMemcpy",
                 api_->rtMemcpy(Pointer(to), from.data(), from.size(), AXCL_MEMCPY_HOST_TO_DEVICE),
                 "a copy to the card");
  }
  Status CopyDown(std::span<std::byte> to, Address from) override {
    return Check("axclrtMemcpy",
                 api_->rtMemcpy(to.data(), Pointer(from), to.size(), AXCL_MEMCPY_DEVICE_TO_HOST),
                 "a copy from the card");
  }
  Status CopyOnDevice(Address to, Address from, uint64_t size_bytes) override {
    return Check(
        "axclrtMemcpy",
        api_->rtMemcpy(Pointer(to), Pointer(from), size_bytes, AXCL_MEMCPY_DEVICE_TO_DEVICE),
        "a copy on the card");
  }

  Result<std::unique_ptr<LoadedModel>> Load(const std::filesystem::path& file) override {
    return LoadModel(api_, file);
  }
  Result<std::unique_ptr<Queue>> CreateQueue() override { return axcl::CreateQueue(api_); }

 private:
  Status Take();
  static Status Check(std::string_view symbol, axclError code, std::string_view detail = "") {
    if (code == AXCL_SUCC) return {};
    Error error = Describe(symbol, code, detail);
    // The memory code stands for any failure on the card; only an allocation means "full".
    if (error.kind == ErrorKind::kNoMemory) error.kind = ErrorKind::kDevice;
    return Fail(std::move(error));
  }

  std::shared_ptr<const Api> api_;
  std::string version_;
  Card card_;
  bool no_card_ = false;
  bool initialised_ = false;
  bool taken_ = false;               // SetDevice and EngineInit succeeded
  axclrtContext context_ = nullptr;  // the card's default context, bound per thread
};

Status AxclDevice::Take() {
  axclError code = api_->rtSetDevice(card_.id);
  if (code != AXCL_SUCC) {
    return Fail(Describe("axclrtSetDevice", code, fmt::format("card {}", card_.id)));
  }
  // SetDevice counts its calls, so it is called once; threads are bound to its context instead.
  code = api_->rtGetCurrentContext(&context_);
  if (code != AXCL_SUCC) {
    api_->rtResetDevice(card_.id);
    return Fail(Describe("axclrtGetCurrentContext", code));
  }
  code = api_->rtEngineInit(AXCL_VNPU_DISABLE);
  if (code != AXCL_SUCC) {
    api_->rtResetDevice(card_.id);
    return Fail(Describe("axclrtEngineInit", code, fmt::format("card {}", card_.id)));
  }
  taken_ = true;
  return {};
}

Result<Properties> AxclDevice::ReadProperties(int32_t id) {
  if (api_->rtGetDeviceProperties == nullptr) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("{} cannot tell the card's properties", api_->path));
  }
  axclrtDeviceProperties raw{};
  const axclError code = api_->rtGetDeviceProperties(id, &raw);
  if (code != AXCL_SUCC) {
    return Fail(Describe("axclrtGetDeviceProperties", code, fmt::format("card {}", id)));
  }
  if (raw.totalCmmSize == 0 || raw.freeCmmSize > raw.totalCmmSize) {
    return Fail(
        ErrorKind::kDevice,
        fmt::format("axclrtGetDeviceProperties says {} KB of {} KB CMM are free on card {}: "
                    "not believable",
                    raw.freeCmmSize, raw.totalCmmSize, id));
  }
  Properties properties;
  properties.uid = raw.uid;
  properties.firmware.assign(raw.swVersion, strnlen(raw.swVersion, sizeof raw.swVersion));
  // A slot number has five bits; some libraries put the chip's device id (0x650) here.
  const uint32_t slot = raw.pciDeviceID < 32 ? raw.pciDeviceID : 0;
  properties.pci = fmt::format("{:04x}:{:02x}:{:02x}.0", raw.pciDomain, raw.pciBusID & 0xff, slot);
  properties.temperature_c = raw.temperature / 1000.0;
  properties.cmm_total_bytes = uint64_t{raw.totalCmmSize} * 1024;
  properties.cmm_free_bytes = uint64_t{raw.freeCmmSize} * 1024;
  properties.npu_percent = raw.npuLoading / 100.0;
  properties.cpu_percent = raw.cpuLoading / 100.0;
  if (id == card_.id) card_.uid = raw.uid;
  return properties;
}

Status AxclDevice::Reboot(int32_t id) {
  if (api_->rtRebootDevice == nullptr) {
    return Fail(ErrorKind::kUnavailable,
                fmt::format("{} cannot reboot a card: power-cycle it", api_->path));
  }
  const axclError code = api_->rtRebootDevice(id);
  if (code != AXCL_SUCC) {
    return Fail(Describe("axclrtRebootDevice", code, fmt::format("card {}", id)));
  }
  if (id == card_.id) taken_ = false;
  // As the vendor's own tool does: selecting the card afterwards waits until it answers. Its id may
  // have changed, so a failure here decides nothing.
  if (api_->rtSetDevice(id) == AXCL_SUCC) api_->rtResetDevice(id);
  return {};
}

}  // namespace

Result<std::unique_ptr<Device>> OpenDevice(Backend backend, std::optional<int32_t> id,
                                           bool* no_card) {
  AX_ASSIGN_OR_RETURN(std::shared_ptr<const Api> api,
                      Api::Load(backend, LibraryCandidates(backend), no_card));
  auto device = std::make_unique<AxclDevice>(std::move(api));
  const Status started = device->Start(id);
  *no_card = device->no_card();
  AX_RETURN_IF_ERROR(started);
  return device;
}

}  // namespace axollama::device::axcl
