#include "device/axengine/axengine_device.h"

#include <fmt/core.h>

#include <cstring>
#include <utility>

#include "device/axengine/api.h"
#include "device/axengine/axengine_model.h"
#include "device/axengine/board_facts.h"
#include "device/axengine/errors.h"
#include "device/axengine/memory.h"

namespace axollama::device::axengine {
namespace {

constexpr int32_t kCardId = 0;
// Names the lease of a board that does not tell its uid: there is one board per machine.
constexpr uint64_t kNamelessUid = 0xa650;
constexpr size_t kMaxVersionBytes = 256;

class AxEngineDevice final : public Device {
 public:
  explicit AxEngineDevice(std::shared_ptr<const Api> api)
      : api_(std::move(api)), memory_(std::make_shared<CmmMemory>(api_)) {
    card_.id = kCardId;
  }

  // Models and IOs are gone by now. Failures change nothing here: the process lets go either way.
  ~AxEngineDevice() override {
    memory_.reset();
    if (taken_) api_->engine.Deinit();
    if (initialised_) api_->sys.Deinit();
  }

  Status Start() {
    const int32_t code = api_->sys.Init();
    if (code != AX_SUCCESS) return Fail(Describe("AX_SYS_Init", code));
    initialised_ = true;
    const char* version = api_->engine.GetVersion();
    if (version != nullptr) version_.assign(version, strnlen(version, kMaxVersionBytes));
    return {};
  }

  Backend backend() const override { return api_->simulated ? Backend::kSim : Backend::kAxengine; }
  std::string_view library() const override { return api_->path; }
  std::string_view library_version() const override { return version_; }
  const Card& card() const override { return card_; }
  Result<std::vector<Card>> ListCards() override { return std::vector<Card>{card_}; }

  // The board's library does not care which thread calls.
  Status BindThread() override {
    if (taken_) return {};
    AX_ENGINE_NPU_ATTR_T attributes{};
    attributes.eHardMode = AX_ENGINE_VIRTUAL_NPU_DISABLE;  // models use the whole NPU
    const int32_t code = api_->engine.Init(&attributes);
    if (code != 0) return Fail(Describe("AX_ENGINE_Init", code));
    taken_ = true;
    return {};
  }

  Result<Properties> ReadProperties(int32_t id) override;

  Status Reboot(int32_t) override {
    return Fail(ErrorKind::kUnavailable,
                "the NPU is part of this machine's SoC and cannot be rebooted alone: restart the "
                "machine");
  }

  Result<Address> Allocate(uint64_t size_bytes) override { return memory_->Allocate(size_bytes); }
  Status Free(Address address) override { return memory_->Free(address); }
  Status Fill(Address address, uint8_t value, uint64_t size_bytes) override {
    return memory_->Fill(address, value, size_bytes);
  }
  Status CopyUp(Address to, std::span<const std::byte> from) override {
    return memory_->CopyUp(to, from);
  }
  Status CopyDown(std::span<std::byte> to, Address from) override {
    return memory_->CopyDown(to, from);
  }
  Status CopyOnDevice(Address to, Address from, uint64_t size_bytes) override {
    return memory_->CopyInside(to, from, size_bytes);
  }

  Result<std::unique_ptr<LoadedModel>> Load(const std::filesystem::path& file) override {
    return LoadModel(api_, memory_, file);
  }

 private:
  std::shared_ptr<const Api> api_;
  std::shared_ptr<CmmMemory> memory_;
  Card card_;
  std::string version_;
  bool initialised_ = false;
  bool taken_ = false;  // the engine was started
};

Result<Properties> AxEngineDevice::ReadProperties(int32_t id) {
  if (id != kCardId) {
    return Fail(ErrorKind::kNotFound,
                fmt::format("no card has the id {}: there is {}", id, kCardId));
  }
  AX_CMM_STATUS_T status{};
  const int32_t code = api_->sys.MemQueryStatus(&status);
  if (code != AX_SUCCESS) return Fail(Describe("AX_SYS_MemQueryStatus", code));
  if (status.TotalSize == 0 || status.RemainSize > status.TotalSize) {
    return Fail(
        ErrorKind::kDevice,
        fmt::format("AX_SYS_MemQueryStatus says {} KB of {} KB CMM are free: not believable",
                    status.RemainSize, status.TotalSize));
  }
  // What /proc and /sys say of a simulated board is about another machine.
  const BoardFacts facts = api_->simulated ? BoardFacts{} : ReadBoardFacts("/");
  Properties properties;
  properties.uid = facts.uid != 0 ? facts.uid : kNamelessUid;
  properties.firmware = !facts.firmware.empty() ? facts.firmware : version_;
  properties.pci = "on-board";
  properties.cmm_total_bytes = uint64_t{status.TotalSize} * 1024;
  properties.cmm_free_bytes = uint64_t{status.RemainSize} * 1024;
  properties.temperature_c = facts.temperature_c;
  properties.npu_percent = facts.npu_percent;
  card_.uid = properties.uid;
  return properties;
}

}  // namespace

Result<std::unique_ptr<Device>> OpenDevice(std::optional<int32_t> id, bool* not_found) {
  AX_ASSIGN_OR_RETURN(std::shared_ptr<const Api> api, Api::Load(not_found));
  if (id && *id != kCardId) {
    return Fail(
        ErrorKind::kNotFound,
        fmt::format("no card has the id {}: the NPU of this machine's SoC is {}", *id, kCardId));
  }
  auto device = std::make_unique<AxEngineDevice>(std::move(api));
  AX_RETURN_IF_ERROR(device->Start());
  return device;
}

}  // namespace axollama::device::axengine
