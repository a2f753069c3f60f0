// Tests only: a device in memory that checks how it is used and computes a small model.
//
// Fresh memory is full of NaN, every binding must have exactly the size of its tensor, every mask
// entry must be 0 or -65536, no buffer may be input and output at once, and no call may come from
// a thread that is not bound. The model: a row's output depends on every K and V row that its mask
// shows, in ascending order of position, so that a wrong row, mask or index shows in the logits.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/bf16.h"
#include "device/device.h"
#include "npu/fake_model.h"
#include "npu/shapes.h"

namespace axollama::npu {

// Set while a fake device runs, so that its own allocations are not counted.
inline thread_local bool inside_fake_device = false;
// Calls of operator new outside a fake device; allocations_test.cc counts them.
uint64_t CountedAllocations();

struct InsideFakeDevice {
  InsideFakeDevice() { inside_fake_device = true; }
  ~InsideFakeDevice() { inside_fake_device = false; }
};

class FakeDevice final : public device::Device {
 public:
  explicit FakeDevice(FakeSizes sizes) : sizes_(std::move(sizes)) {}

  // What a test may set or read.
  std::function<std::vector<device::GroupInfo>(const std::string& file)> groups_of;
  uint64_t fail_at = 0;  // the call with this number, from 1, fails
  uint64_t calls = 0;
  uint64_t free_bytes = uint64_t{1} << 30;
  bool knows_memory = true;
  device::Backend as = device::Backend::kSim;
  std::vector<std::string> executed;  // "l0:g1"; recorded only while `record` is set
  bool record = false;
  bool knows_queues = false;
  // Queued executes with these numbers, from 1 over all queues, do nothing and say nothing.
  std::function<bool(uint64_t)> dropped;
  bool refuses_executes = false;    // queued ones, as some library versions do
  bool loses_bound_rows = false;    // what a layer writes straight into its caches
  bool hangs = false;               // a wait never ends
  std::function<void()> on_queue;   // called when a queue is made
  std::vector<std::string> faults;  // what was done wrong
  size_t live_allocations() const { return memory_.size(); }
  size_t live_models() const { return models_; }
  size_t live_ios() const { return ios_; }

  device::Backend backend() const override { return as; }
  std::string_view library() const override { return "fake"; }
  const device::Card& card() const override { return card_; }
  Result<std::vector<device::Card>> ListCards() override { return std::vector{card_}; }
  Status BindThread() override {
    AX_RETURN_IF_ERROR(Call());
    bound_ = std::this_thread::get_id();
    return {};
  }
  Result<device::Properties> ReadProperties(int32_t) override {
    bound_ = {};
    if (!knows_memory) return Fail(ErrorKind::kUnavailable, "cannot tell");
    device::Properties properties;
    properties.cmm_free_bytes = free_bytes;
    return properties;
  }
  Status Reboot(int32_t) override { return {}; }

  Result<device::Address> Allocate(uint64_t size_bytes) override {
    const InsideFakeDevice inside;
    AX_RETURN_IF_ERROR(BoundCall());
    memory_[next_].assign(size_bytes, std::byte{0xff});
    const device::Address address{next_};
    next_ += (size_bytes + 4095) / 4096 * 4096 + 4096;
    return address;
  }
  Status Free(device::Address address) override {
    if (bound_ != std::this_thread::get_id()) Fault("free from an unbound thread");
    if (memory_.erase(address.value) != 1) Fault("free of an unknown address");
    return {};
  }
  Status Fill(device::Address to, uint8_t value, uint64_t size_bytes) override {
    AX_RETURN_IF_ERROR(BoundCall());
    std::memset(At(to, size_bytes), value, size_bytes);
    return {};
  }
  Status CopyUp(device::Address to, std::span<const std::byte> from) override {
    AX_RETURN_IF_ERROR(BoundCall());
    std::memcpy(At(to, from.size()), from.data(), from.size());
    return {};
  }
  Status CopyDown(std::span<std::byte> to, device::Address from) override {
    AX_RETURN_IF_ERROR(BoundCall());
    std::memcpy(to.data(), At(from, to.size()), to.size());
    return {};
  }
  Status CopyOnDevice(device::Address to, device::Address from, uint64_t size_bytes) override {
    AX_RETURN_IF_ERROR(BoundCall());
    std::memcpy(At(to, size_bytes), At(from, size_bytes), size_bytes);
    return {};
  }
  Result<std::unique_ptr<device::LoadedModel>> Load(const std::filesystem::path& file) override;
  Result<std::unique_ptr<device::Queue>> CreateQueue() override;

  // Reads device memory behind the model's back.
  std::vector<std::byte> Peek(device::Address from, uint64_t size_bytes) {
    const std::byte* start = At(from, size_bytes);
    return {start, start + size_bytes};
  }

 private:
  friend class FakeModelOnDevice;
  friend class FakeIo;
  friend class FakeQueue;

  Status Call() {
    if (++calls == fail_at) return Fail(ErrorKind::kDevice, "fault on purpose");
    return {};
  }
  Status BoundCall() {
    if (bound_ != std::this_thread::get_id()) Fault("a call from an unbound thread");
    return Call();
  }
  void Fault(std::string what) {
    const InsideFakeDevice inside;
    faults.push_back(std::move(what));
  }
  std::byte* At(device::Address address, uint64_t size_bytes) {
    auto it = memory_.upper_bound(address.value);
    if (it != memory_.begin()) {
      --it;
      const uint64_t offset = address.value - it->first;
      if (offset + size_bytes <= it->second.size()) return it->second.data() + offset;
    }
    Fault("access outside any allocation");
    spare_.assign(size_bytes, std::byte{0});
    return spare_.data();
  }

  const FakeSizes sizes_;
  device::Card card_{1, 7};
  std::thread::id bound_;
  std::map<uint64_t, std::vector<std::byte>> memory_;
  std::vector<std::byte> spare_;
  uint64_t next_ = 0x100000000;
  uint64_t queued_executes_ = 0;
  size_t models_ = 0, ios_ = 0;
};

class FakeIo final : public device::Io {
 public:
  explicit FakeIo(FakeDevice& device) : device_(&device) { ++device.ios_; }
  ~FakeIo() override {
    if (device_ != nullptr) --device_->ios_;
  }
  FakeIo(const FakeIo& other) : inputs(other.inputs), outputs(other.outputs) {}
  struct Bound {
    device::Address address;
    uint64_t size_bytes = 0;
  };
  Status BindInput(uint32_t index, device::Address address, uint64_t size_bytes) override {
    inputs[index] = {address, size_bytes};
    return {};
  }
  Status BindOutput(uint32_t index, device::Address address, uint64_t size_bytes) override {
    outputs[index] = {address, size_bytes};
    return {};
  }
  std::map<uint32_t, Bound> inputs, outputs;

 private:
  FakeDevice* device_ = nullptr;  // null: a copy, which is not counted
};

class FakeModelOnDevice final : public device::LoadedModel {
 public:
  static constexpr int kPost = -1, kStack = -2;
  FakeModelOnDevice(FakeDevice& device, std::vector<device::GroupInfo> groups, int part)
      : device_(device), groups_(std::move(groups)), part_(part) {
    ++device_.models_;
  }
  ~FakeModelOnDevice() override { --device_.models_; }

  const std::vector<device::GroupInfo>& groups() const override { return groups_; }
  std::string_view compiler_version() const override { return "fake 1"; }
  Result<std::unique_ptr<device::Io>> CreateIo() override {
    return std::make_unique<FakeIo>(device_);
  }
  Status Execute(uint32_t group, device::Io& io) override {
    const InsideFakeDevice inside;
    AX_RETURN_IF_ERROR(device_.BoundCall());
    Run(group, static_cast<FakeIo&>(io));
    return {};
  }
  void Run(uint32_t group, const FakeIo& bound) {
    if (device_.record) {
      const std::string name = part_ == kStack ? "stack" : "l" + std::to_string(part_);
      device_.executed.push_back(part_ == kPost ? "post" : name + ":g" + std::to_string(group));
    }
    CheckBindings(groups_[group], bound);
    if (part_ == kStack) return RunStack(groups_[group], bound);
    part_ == kPost ? RunPost(bound) : RunLayer(groups_[group], bound);
  }

 private:
  void CheckBindings(const device::GroupInfo& info, const FakeIo& io) {
    for (uint32_t i = 0; i < info.inputs.size(); ++i) {
      const auto it = io.inputs.find(i);
      if (it == io.inputs.end() || it->second.size_bytes != info.inputs[i].size_bytes) {
        device_.Fault("input " + info.inputs[i].name + " is bound with another size");
      }
      for (const auto& [index, output] : io.outputs) {
        // K and V rows may go straight into their caches.
        const bool cache = info.inputs[i].name.find("cache") != std::string::npos;
        if (!cache && it != io.inputs.end() && output.address.value == it->second.address.value) {
          device_.Fault(info.inputs[i].name + " is input and output");
        }
      }
    }
    for (uint32_t i = 0; i < info.outputs.size(); ++i) {
      const auto it = io.outputs.find(i);
      if (it == io.outputs.end() || it->second.size_bytes != info.outputs[i].size_bytes ||
          it->second.address.value % kBindAlignment != 0) {
        device_.Fault("output " + info.outputs[i].name +
                      " is not bound whole to an aligned address");
      }
    }
  }
  template <typename T>
  T* Data(const FakeIo::Bound& bound) {
    return reinterpret_cast<T*>(device_.At(bound.address, bound.size_bytes));
  }

  // With the tensors at these indices.
  FakeLayerIo LayerIo(const device::GroupInfo& info, const FakeIo& io, uint32_t k, uint32_t v,
                      uint32_t indices, uint32_t in, uint32_t mask, uint32_t k_out,
                      uint32_t v_out) {
    const auto dim = [&](uint32_t tensor, size_t i) {
      return static_cast<size_t>(info.inputs[tensor].dims[i]);
    };
    return {dim(in, 1),
            dim(k, 1),
            dim(k, 2),
            dim(in, 2),
            dim(indices, 0),
            Data<uint16_t>(io.inputs.at(k)),
            Data<uint16_t>(io.inputs.at(v)),
            Data<uint16_t>(io.inputs.at(in)),
            Data<uint16_t>(io.inputs.at(mask)),
            Data<uint32_t>(io.inputs.at(indices)),
            Data<uint16_t>(io.outputs.at(k_out)),
            Data<uint16_t>(io.outputs.at(v_out)),
            nullptr};
  }
  void RunLayer(const device::GroupInfo& info, const FakeIo& io) {
    FakeLayerIo layer = LayerIo(info, io, 0, 1, 2, 3, 4, 0, 1);
    layer.out = Data<uint16_t>(io.outputs.at(2));
    if (device_.loses_bound_rows && layer.k_out >= layer.k &&
        layer.k_out < layer.k + layer.history * layer.width) {
      lost_.resize(2 * layer.rows * layer.width);
      layer.k_out = lost_.data();
      layer.v_out = lost_.data() + layer.rows * layer.width;
    }
    RunFakeLayer(static_cast<uint32_t>(part_), layer, fault_);
  }
  void RunPost(const FakeIo& io) {
    RunFakePost(Data<uint16_t>(io.inputs.at(0)), static_cast<size_t>(groups_[0].inputs[0].dims[2]),
                Data<uint16_t>(io.outputs.at(0)),
                static_cast<size_t>(groups_[0].outputs[0].dims[2]));
  }
  void RunStack(const device::GroupInfo& info, const FakeIo& io) {
    const auto vocab = static_cast<size_t>(info.outputs[0].dims[2]);
    std::array<std::vector<uint16_t>, 2> hidden;
    FakeLayerIo layer{};
    for (uint32_t i = 0; 2 * i + 1 < info.outputs.size(); ++i) {
      layer = LayerIo(info, io, 3 + 2 * i, 4 + 2 * i, 1, 0, 2, 1 + 2 * i, 2 + 2 * i);
      if (i > 0) layer.in = hidden[i % 2].data();
      hidden[(i + 1) % 2].resize(layer.rows * layer.hidden);
      layer.out = hidden[(i + 1) % 2].data();
      RunFakeLayer(i, layer, fault_);
    }
    auto* logits = Data<uint16_t>(io.outputs.at(0));
    for (size_t r = 0; r < layer.rows; ++r) {
      RunFakePost(layer.out + r * layer.hidden, layer.hidden, logits + r * vocab, vocab);
    }
  }

  FakeDevice& device_;
  std::vector<device::GroupInfo> groups_;
  const int part_;  // a layer's number, or what follows
  std::vector<uint16_t> lost_;
  const std::function<void(std::string)> fault_ = [this](std::string what) {
    device_.Fault(std::move(what));
  };
};

// Does nothing before it must: everything runs in the wait, with the host memory of then and the
// bindings of before.
class FakeQueue final : public device::Queue {
 public:
  explicit FakeQueue(FakeDevice& device) : device_(device) {}
  ~FakeQueue() override {
    const InsideFakeDevice inside;
    if (!device_.hangs) Run();
    work_ = {};
  }
  Status CopyUp(device::Address to, std::span<const std::byte> from) override {
    return Add(
        [this, to, from] { std::memcpy(device_.At(to, from.size()), from.data(), from.size()); });
  }
  Status CopyDown(std::span<std::byte> to, device::Address from) override {
    return Add(
        [this, to, from] { std::memcpy(to.data(), device_.At(from, to.size()), to.size()); });
  }
  Status CopyOnDevice(device::Address to, device::Address from, uint64_t size_bytes) override {
    return Add([this, to, from, size_bytes] {
      std::memcpy(device_.At(to, size_bytes), device_.At(from, size_bytes), size_bytes);
    });
  }
  Status Fill(device::Address to, uint8_t value, uint64_t size_bytes) override {
    return Add([this, to, value, size_bytes] {
      std::memset(device_.At(to, size_bytes), value, size_bytes);
    });
  }
  Status Execute(device::LoadedModel& model, uint32_t group, device::Io& io) override {
    const InsideFakeDevice inside;
    if (device_.refuses_executes) return Fail(ErrorKind::kUnavailable, "refused on purpose");
    const uint64_t number = ++device_.queued_executes_;
    return Add([this, number, &model, group, bound = FakeIo(static_cast<FakeIo&>(io))] {
      if (device_.dropped && device_.dropped(number)) return;
      static_cast<FakeModelOnDevice&>(model).Run(group, bound);
    });
  }
  Status Wait(std::chrono::milliseconds) override {
    const InsideFakeDevice inside;
    AX_RETURN_IF_ERROR(device_.BoundCall());
    if (device_.hangs) return Fail(ErrorKind::kTimeout, "it hangs on purpose");
    Run();
    return {};
  }

 private:
  template <typename Work>
  Status Add(Work work) {
    const InsideFakeDevice inside;
    AX_RETURN_IF_ERROR(device_.BoundCall());
    work_.emplace_back(std::move(work));
    return {};
  }
  void Run() {
    for (const auto& work : work_) work();
    work_.clear();
  }

  FakeDevice& device_;
  std::vector<std::function<void()>> work_;
};

inline Result<std::unique_ptr<device::Queue>> FakeDevice::CreateQueue() {
  if (!knows_queues) return Device::CreateQueue();
  const InsideFakeDevice inside;
  AX_RETURN_IF_ERROR(BoundCall());
  if (on_queue) on_queue();
  return std::make_unique<FakeQueue>(*this);
}

inline Result<std::unique_ptr<device::LoadedModel>> FakeDevice::Load(
    const std::filesystem::path& file) {
  const InsideFakeDevice inside;
  AX_RETURN_IF_ERROR(BoundCall());
  const std::string name = file.filename().string();
  const bool post = name.find("post") != std::string::npos;
  const bool stack = name.starts_with("model");
  std::vector<device::GroupInfo> groups =
      post ? FakePostGroups(sizes_)
      : stack
          ? FakeStackGroups(sizes_, name != "model_prefill.axmodel", name != "model_decode.axmodel")
          : FakeLayerGroups(sizes_);
  if (groups_of) {
    if (auto other = groups_of(name); !other.empty()) groups = std::move(other);
  }
  const int part = post    ? FakeModelOnDevice::kPost
                   : stack ? FakeModelOnDevice::kStack
                           : std::stoi(name.substr(1));
  return std::make_unique<FakeModelOnDevice>(*this, std::move(groups), part);
}

}  // namespace axollama::npu
