#include "device/axengine/axengine_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/file.h"
#include "device/axengine/errors.h"

namespace axollama::device::axengine {
namespace {

constexpr uint32_t kMaxGroups = 1024;
constexpr uint32_t kMaxTensors = 256;
constexpr size_t kMaxNameBytes = 256;
constexpr uint64_t kMaxFileBytes = std::numeric_limits<uint32_t>::max();  // sizes have 32 bits

DataType ToDataType(AX_ENGINE_DATA_TYPE_T type) {
  uint32_t number = 0;  // the library's: perhaps none of the enumeration's
  std::memcpy(&number, &type, sizeof(number));
  switch (number) {
    case AX_ENGINE_DT_UNKNOWN:
      return DataType::kNone;
    case AX_ENGINE_DT_SINT8:
      return DataType::kInt8;
    case AX_ENGINE_DT_UINT8:
      return DataType::kUint8;
    case AX_ENGINE_DT_SINT32:
      return DataType::kInt32;
    case AX_ENGINE_DT_UINT32:
      return DataType::kUint32;
    case AX_ENGINE_DT_BFLOAT16:
      return DataType::kBf16;
    case AX_ENGINE_DT_FLOAT32:
      return DataType::kFp32;
    default:
      return DataType::kOther;
  }
}

class AxEngineIo final : public Io {
 public:
  AxEngineIo(std::shared_ptr<const CmmMemory> memory, size_t inputs, size_t outputs)
      : memory_(std::move(memory)), inputs_(inputs), outputs_(outputs) {
    io_.pInputs = inputs_.data();
    io_.nInputSize = static_cast<uint32_t>(inputs_.size());
    io_.pOutputs = outputs_.data();
    io_.nOutputSize = static_cast<uint32_t>(outputs_.size());
    io_.nBatchSize = 1;
  }

  Status BindInput(uint32_t index, Address address, uint64_t size_bytes) override {
    return Bind(inputs_, "input", index, address, size_bytes);
  }
  Status BindOutput(uint32_t index, Address address, uint64_t size_bytes) override {
    return Bind(outputs_, "output", index, address, size_bytes);
  }
  AX_ENGINE_IO_T* io() { return &io_; }

 private:
  Status Bind(std::vector<AX_ENGINE_IO_BUFFER_T>& side, std::string_view what, uint32_t index,
              Address address, uint64_t size_bytes) {
    if (index >= side.size() || size_bytes > kMaxFileBytes) {
      return Fail(ErrorKind::kInternal,
                  fmt::format("no {} {} of {} bytes", what, index, size_bytes));
    }
    AX_ASSIGN_OR_RETURN(std::byte* const virt, memory_->Locate(address, size_bytes));
    side[index].phyAddr = address.value;
    side[index].pVirAddr = virt;
    side[index].nSize = static_cast<uint32_t>(size_bytes);
    return {};
  }

  std::shared_ptr<const CmmMemory> memory_;
  std::vector<AX_ENGINE_IO_BUFFER_T> inputs_;  // zero until bound
  std::vector<AX_ENGINE_IO_BUFFER_T> outputs_;
  AX_ENGINE_IO_T io_{};
};

class AxEngineModel final : public LoadedModel {
 public:
  AxEngineModel(std::shared_ptr<const Api> api, std::shared_ptr<const CmmMemory> memory,
                AX_ENGINE_HANDLE handle, std::string name)
      : api_(std::move(api)), memory_(std::move(memory)), handle_(handle), name_(std::move(name)) {}
  ~AxEngineModel() override { api_->engine.DestroyHandle(handle_); }

  Status Inspect();

  const std::vector<GroupInfo>& groups() const override { return groups_; }
  std::string_view compiler_version() const override { return compiler_version_; }

  Result<std::unique_ptr<Io>> CreateIo() override {
    return std::make_unique<AxEngineIo>(memory_, groups_.front().inputs.size(),
                                        groups_.front().outputs.size());
  }

  Status Execute(uint32_t group, Io& io) override {
    AX_ENGINE_IO_T* const bound = static_cast<AxEngineIo&>(io).io();
    // Older libraries know no groups where there is only one.
    const bool one = groups_.size() == 1;
    const int32_t code = one ? api_->engine.RunSyncV2(handle_, context_, bound)
                             : api_->engine.RunGroupIOSync(handle_, context_, group, bound);
    if (code == 0) return {};
    return Fail(Describe(one ? "AX_ENGINE_RunSyncV2" : "AX_ENGINE_RunGroupIOSync", code,
                         fmt::format("{} (shape group {})", name_, group)));
  }

 private:
  Status Believe(bool good, std::string_view what) const {
    if (good) return {};
    return Fail(ErrorKind::kDevice,
                fmt::format("{}: the engine describes the model impossibly ({}): the file may be "
                            "damaged, or made for another chip or a newer SDK",
                            name_, what));
  }
  Result<std::vector<TensorInfo>> InspectSide(const AX_ENGINE_IOMETA_T* metas, uint32_t count,
                                              std::string_view what) const;
  Result<TensorInfo> InspectTensor(const AX_ENGINE_IOMETA_T& meta) const;

  std::shared_ptr<const Api> api_;
  std::shared_ptr<const CmmMemory> memory_;
  AX_ENGINE_HANDLE handle_;
  AX_ENGINE_CONTEXT_T context_ = nullptr;  // freed with the handle
  std::string name_;                       // file name, for errors
  std::string compiler_version_;
  std::vector<GroupInfo> groups_;
};

Result<TensorInfo> AxEngineModel::InspectTensor(const AX_ENGINE_IOMETA_T& meta) const {
  TensorInfo tensor;
  const size_t length = meta.pName == nullptr ? 0 : strnlen(meta.pName, kMaxNameBytes + 1);
  AX_RETURN_IF_ERROR(Believe(length > 0 && length <= kMaxNameBytes, "a tensor has no name"));
  tensor.name.assign(meta.pName, length);
  tensor.type = ToDataType(meta.eDataType);
  tensor.size_bytes = meta.nSize;
  AX_RETURN_IF_ERROR(Believe(
      meta.nSize > 0 && (meta.pShape != nullptr || meta.nShapeSize == 0),
      fmt::format("{} has {} bytes and {} dimensions", tensor.name, meta.nSize, meta.nShapeSize)));
  uint64_t elements = 1;
  for (uint32_t i = 0; i < meta.nShapeSize; ++i) {
    // A packed type holds at most eight elements in a byte.
    const bool good = meta.pShape[i] > 0;
    if (good) elements *= static_cast<uint64_t>(meta.pShape[i]);
    AX_RETURN_IF_ERROR(Believe(
        good && elements <= tensor.size_bytes * 8,
        fmt::format("dimensions of {} do not match its {} bytes", tensor.name, meta.nSize)));
    tensor.dims.push_back(meta.pShape[i]);
  }
  return tensor;
}

Result<std::vector<TensorInfo>> AxEngineModel::InspectSide(const AX_ENGINE_IOMETA_T* metas,
                                                           uint32_t count,
                                                           std::string_view what) const {
  AX_RETURN_IF_ERROR(Believe(metas != nullptr && count >= 1 && count <= kMaxTensors,
                             fmt::format("{} {}", count, what)));
  std::vector<TensorInfo> tensors;
  for (uint32_t i = 0; i < count; ++i) {
    AX_ASSIGN_OR_RETURN(TensorInfo tensor, InspectTensor(metas[i]));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Status AxEngineModel::Inspect() {
  int32_t code = api_->engine.CreateContextV2(handle_, &context_);
  if (code != 0) return Fail(Describe("AX_ENGINE_CreateContextV2", code, name_));
  uint32_t count = 0;
  code = api_->engine.GetGroupIOInfoCount(handle_, &count);
  if (code != 0) return Fail(Describe("AX_ENGINE_GetGroupIOInfoCount", code, name_));
  AX_RETURN_IF_ERROR(
      Believe(count >= 1 && count <= kMaxGroups, fmt::format("{} shape groups", count)));
  for (uint32_t group = 0; group < count; ++group) {
    AX_ENGINE_IO_INFO_T* info = nullptr;
    code = count == 1 ? api_->engine.GetIOInfo(handle_, &info)
                      : api_->engine.GetGroupIOInfo(handle_, group, &info);
    if (code != 0 || info == nullptr) {
      return Fail(Describe(count == 1 ? "AX_ENGINE_GetIOInfo" : "AX_ENGINE_GetGroupIOInfo", code,
                           fmt::format("{} (shape group {})", name_, group)));
    }
    GroupInfo out;
    AX_ASSIGN_OR_RETURN(out.inputs, InspectSide(info->pInputs, info->nInputSize, "inputs"));
    AX_ASSIGN_OR_RETURN(out.outputs, InspectSide(info->pOutputs, info->nOutputSize, "outputs"));
    groups_.push_back(std::move(out));
    AX_RETURN_IF_ERROR(Believe(groups_.back().inputs.size() == groups_.front().inputs.size() &&
                                   groups_.back().outputs.size() == groups_.front().outputs.size(),
                               "shape groups with different tensors"));
  }
  const char* version = api_->engine.GetModelToolsVersion(handle_);
  if (version != nullptr) compiler_version_.assign(version, strnlen(version, kMaxNameBytes));
  return {};
}

}  // namespace

Result<std::unique_ptr<LoadedModel>> LoadModel(std::shared_ptr<const Api> api,
                                               std::shared_ptr<const CmmMemory> memory,
                                               const std::filesystem::path& file) {
  AX_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::Open(file));
  const auto bytes = mapped.bytes();
  if (bytes.empty() || bytes.size() > kMaxFileBytes) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("{} has {} bytes; the board loads files of 1 to {}", file.string(),
                            bytes.size(), kMaxFileBytes));
  }
  std::string name = file.filename().string();
  AX_ENGINE_HANDLE_EXTRA_T extra{};
  extra.pName = reinterpret_cast<int8_t*>(name.data());
  AX_ENGINE_HANDLE handle = nullptr;
  const int32_t code = api->engine.CreateHandleV2(&handle, bytes.data(),
                                                  static_cast<uint32_t>(bytes.size()), &extra);
  if (code != 0 || handle == nullptr) {
    Error failure = Describe("AX_ENGINE_CreateHandleV2", code,
                             fmt::format("{} ({} bytes)", file.string(), bytes.size()));
    // The engine does not tell a bad file from trouble of its own.
    if (failure.kind == ErrorKind::kDevice) {
      failure.message += "; or the file is damaged or made for another chip: copy it again";
    }
    return Fail(std::move(failure));
  }
  auto model =
      std::make_unique<AxEngineModel>(std::move(api), std::move(memory), handle, std::move(name));
  AX_RETURN_IF_ERROR(model->Inspect());
  return model;
}

}  // namespace axollama::device::axengine
