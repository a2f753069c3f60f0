#include "device/axcl/axcl_model.h"

#include <fmt/core.h>

#include <cstring>
#include <system_error>
#include <utility>

#include "device/axcl/errors.h"

namespace axollama::device::axcl {
namespace {

constexpr int32_t kMaxGroups = 1024;
constexpr uint32_t kMaxTensors = 256;
constexpr size_t kMaxNameBytes = 256;
constexpr uint64_t kMaxTensorBytes = uint64_t{1} << 36;

DataType ToDataType(axclrtEngineDataType type) {
  switch (type) {
    case AXCL_DATA_TYPE_NONE:
      return DataType::kNone;
    case AXCL_DATA_TYPE_INT8:
      return DataType::kInt8;
    case AXCL_DATA_TYPE_UINT8:
      return DataType::kUint8;
    case AXCL_DATA_TYPE_INT32:
      return DataType::kInt32;
    case AXCL_DATA_TYPE_UINT32:
      return DataType::kUint32;
    case AXCL_DATA_TYPE_BF16:
      return DataType::kBf16;
    case AXCL_DATA_TYPE_FP32:
      return DataType::kFp32;
    default:
      return DataType::kOther;
  }
}

void* Pointer(Address address) { return reinterpret_cast<void*>(address.value); }

class AxclIo final : public Io {
 public:
  AxclIo(std::shared_ptr<const Api> api, axclrtEngineIO io) : api_(std::move(api)), io_(io) {}
  ~AxclIo() override { api_->rtEngineDestroyIO(io_); }

  Status BindInput(uint32_t index, Address address, uint64_t size_bytes) override {
    const axclError code =
        api_->rtEngineSetInputBufferByIndex(io_, index, Pointer(address), size_bytes);
    if (code == AXCL_SUCC) return {};
    return Fail(
        Describe("axclrtEngineSetInputBufferByIndex", code, fmt::format("input {}", index)));
  }
  Status BindOutput(uint32_t index, Address address, uint64_t size_bytes) override {
    const axclError code =
        api_->rtEngineSetOutputBufferByIndex(io_, index, Pointer(address), size_bytes);
    if (code == AXCL_SUCC) return {};
    return Fail(
        Describe("axclrtEngineSetOutputBufferByIndex", code, fmt::format("output {}", index)));
  }
  axclrtEngineIO handle() const { return io_; }

 private:
  std::shared_ptr<const Api> api_;
  axclrtEngineIO io_;
};

class AxclModel final : public LoadedModel {
 public:
  AxclModel(std::shared_ptr<const Api> api, uint64_t id, std::string name)
      : api_(std::move(api)), id_(id), name_(std::move(name)) {}
  // The vendor's order: IOs (their owners'), then IOInfo, then Unload.
  ~AxclModel() override {
    if (info_ != nullptr) api_->rtEngineDestroyIOInfo(info_);
    api_->rtEngineUnload(id_);
  }

  Status Inspect();

  const std::vector<GroupInfo>& groups() const override { return groups_; }
  std::string_view compiler_version() const override { return compiler_version_; }

  Result<std::unique_ptr<Io>> CreateIo() override {
    axclrtEngineIO io = nullptr;
    const axclError code = api_->rtEngineCreateIO(info_, &io);
    if (code != AXCL_SUCC || io == nullptr) {
      return Fail(Describe("axclrtEngineCreateIO", code, name_));
    }
    return std::make_unique<AxclIo>(api_, io);
  }

  Status Execute(uint32_t group, Io& io) override {
    const axclError code =
        api_->rtEngineExecute(id_, context_, group, static_cast<AxclIo&>(io).handle());
    if (code == AXCL_SUCC) return {};
    return Fail(
        Describe("axclrtEngineExecute", code, fmt::format("{} (shape group {})", name_, group)));
  }

  Status ExecuteQueued(uint32_t group, const AxclIo& io, axclrtStream stream) {
    const axclError code = api_->rtEngineExecuteAsync(id_, context_, group, io.handle(), stream);
    if (code == AXCL_SUCC) return {};
    Error error = Describe("axclrtEngineExecuteAsync", code,
                           fmt::format("{} (shape group {})", name_, group));
    if (code == AXCL_ERR_UNSUPPORT || code == AXCL_ERR_ENGINE_UNSUPPORTED) {
      error.kind = ErrorKind::kUnavailable;
    }
    return Fail(std::move(error));
  }

 private:
  Status Believe(bool good, std::string_view what) const {
    if (good) return {};
    return Fail(ErrorKind::kDevice,
                fmt::format("{}: the card describes the model impossibly ({}): the file may be "
                            "damaged, or made for another chip or a newer SDK",
                            name_, what));
  }
  Result<TensorInfo> InspectTensor(bool input, uint32_t group, uint32_t index) const;

  std::shared_ptr<const Api> api_;
  uint64_t id_;
  std::string name_;  // file name, for errors
  uint64_t context_ = 0;
  axclrtEngineIOInfo info_ = nullptr;
  std::string compiler_version_;
  std::vector<GroupInfo> groups_;
};

Result<TensorInfo> AxclModel::InspectTensor(bool input, uint32_t group, uint32_t index) const {
  const auto name_of =
      input ? api_->rtEngineGetInputNameByIndex : api_->rtEngineGetOutputNameByIndex;
  const auto size_of =
      input ? api_->rtEngineGetInputSizeByIndex : api_->rtEngineGetOutputSizeByIndex;
  const auto dims_of = input ? api_->rtEngineGetInputDims : api_->rtEngineGetOutputDims;
  const auto type_of = input ? api_->rtEngineGetInputDataType : api_->rtEngineGetOutputDataType;

  TensorInfo tensor;
  const char* name = name_of(info_, index);
  const size_t length = name == nullptr ? 0 : strnlen(name, kMaxNameBytes + 1);
  AX_RETURN_IF_ERROR(Believe(length > 0 && length <= kMaxNameBytes,
                             fmt::format("{} {} has no name", input ? "input" : "output", index)));
  tensor.name.assign(name, length);

  // Names and types come from group 0 only; sizes and dims from each group.
  tensor.size_bytes = size_of(info_, group, index);
  const bool error_code =
      tensor.size_bytes ==
          static_cast<uint64_t>(static_cast<uint32_t>(AXCL_ERR_ENGINE_INVALID_INDEX)) ||
      tensor.size_bytes ==
          static_cast<uint64_t>(static_cast<int64_t>(AXCL_ERR_ENGINE_INVALID_INDEX));
  AX_RETURN_IF_ERROR(
      Believe(!error_code && tensor.size_bytes > 0 && tensor.size_bytes <= kMaxTensorBytes,
              fmt::format("{} of group {} has {} bytes", tensor.name, group, tensor.size_bytes)));

  axclrtEngineIODims dims{};
  axclError code = dims_of(info_, group, index, &dims);
  if (code != AXCL_SUCC) {
    return Fail(Describe(input ? "axclrtEngineGetInputDims" : "axclrtEngineGetOutputDims", code,
                         tensor.name));
  }
  AX_RETURN_IF_ERROR(Believe(dims.dimCount >= 0 && dims.dimCount <= AXCLRT_ENGINE_MAX_DIM_CNT,
                             fmt::format("{} has {} dimensions", tensor.name, dims.dimCount)));
  uint64_t elements = 1;
  for (int32_t i = 0; i < dims.dimCount; ++i) {
    // A packed type holds at most eight elements in a byte.
    const bool good = dims.dims[i] > 0;
    if (good) elements *= static_cast<uint64_t>(dims.dims[i]);
    AX_RETURN_IF_ERROR(Believe(
        good && elements <= tensor.size_bytes * 8,
        fmt::format("dimensions of {} do not match its {} bytes", tensor.name, tensor.size_bytes)));
    tensor.dims.push_back(dims.dims[i]);
  }

  axclrtEngineDataType type = AXCL_DATA_TYPE_NONE;
  code = type_of(info_, index, &type);
  tensor.type = code == AXCL_SUCC ? ToDataType(type) : DataType::kNone;
  return tensor;
}

Status AxclModel::Inspect() {
  axclError code = api_->rtEngineCreateContext(id_, &context_);
  if (code != AXCL_SUCC) return Fail(Describe("axclrtEngineCreateContext", code, name_));
  code = api_->rtEngineGetIOInfo(id_, &info_);
  if (code != AXCL_SUCC || info_ == nullptr) {
    return Fail(Describe("axclrtEngineGetIOInfo", code, name_));
  }
  int32_t count = 0;
  code = api_->rtEngineGetShapeGroupsCount(info_, &count);
  if (code != AXCL_SUCC) return Fail(Describe("axclrtEngineGetShapeGroupsCount", code, name_));
  AX_RETURN_IF_ERROR(
      Believe(count >= 1 && count <= kMaxGroups, fmt::format("{} shape groups", count)));
  const uint32_t inputs = api_->rtEngineGetNumInputs(info_);
  const uint32_t outputs = api_->rtEngineGetNumOutputs(info_);
  AX_RETURN_IF_ERROR(
      Believe(inputs >= 1 && inputs <= kMaxTensors && outputs >= 1 && outputs <= kMaxTensors,
              fmt::format("{} inputs and {} outputs", inputs, outputs)));
  for (uint32_t group = 0; group < static_cast<uint32_t>(count); ++group) {
    GroupInfo info;
    for (uint32_t i = 0; i < inputs; ++i) {
      AX_ASSIGN_OR_RETURN(TensorInfo tensor, InspectTensor(true, group, i));
      info.inputs.push_back(std::move(tensor));
    }
    for (uint32_t i = 0; i < outputs; ++i) {
      AX_ASSIGN_OR_RETURN(TensorInfo tensor, InspectTensor(false, group, i));
      info.outputs.push_back(std::move(tensor));
    }
    groups_.push_back(std::move(info));
  }
  if (api_->rtEngineGetModelCompilerVersion != nullptr) {
    const char* version = api_->rtEngineGetModelCompilerVersion(id_);
    if (version != nullptr) compiler_version_.assign(version, strnlen(version, kMaxNameBytes));
  }
  return {};
}

}  // namespace

Status QueueExecute(LoadedModel& model, uint32_t group, Io& io, axclrtStream stream) {
  return static_cast<AxclModel&>(model).ExecuteQueued(group, static_cast<AxclIo&>(io), stream);
}

Result<std::unique_ptr<LoadedModel>> LoadModel(std::shared_ptr<const Api> api,
                                               const std::filesystem::path& file) {
  uint64_t id = 0;
  const axclError code = api->rtEngineLoadFromFile(file.c_str(), &id);
  if (code != AXCL_SUCC) {
    std::error_code error;
    const uint64_t size_bytes = std::filesystem::file_size(file, error);
    Error failure = Describe("axclrtEngineLoadFromFile", code,
                             fmt::format("{} ({} bytes)", file.string(), error ? 0 : size_bytes));
    // The card does not tell a bad file from trouble of its own.
    if (failure.kind == ErrorKind::kDevice) {
      failure.message += "; or the file is damaged or made for another chip: copy it again";
    }
    return Fail(std::move(failure));
  }
  if (id == 0) {
    return Fail(ErrorKind::kDevice,
                fmt::format("{}: the card gave the model no handle", file.string()));
  }
  auto model = std::make_unique<AxclModel>(std::move(api), id, file.filename().string());
  AX_RETURN_IF_ERROR(model->Inspect());
  return model;
}

}  // namespace axollama::device::axcl
