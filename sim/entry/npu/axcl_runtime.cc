#include "sim/entry/npu/axcl_runtime.h"

#include <cstddef>
#include <limits>
#include <utility>

#include "abi/axcl.h"

namespace axsim::npu {
namespace {

using engine_abi::Buffer;
using engine_abi::Description;
using engine_abi::Group;
using engine_abi::Tensor;

void* Pointer(uint64_t address) { return reinterpret_cast<void*>(static_cast<uintptr_t>(address)); }

// A tensor table or a set of bindings of libaxcl_rt.so, given back at the end of its scope.
struct Info {
  ~Info() {
    if (handle != nullptr) axclrtEngineDestroyIOInfo(handle);
  }
  axclrtEngineIOInfo handle = nullptr;
};
struct Io {
  ~Io() {
    if (handle != nullptr) axclrtEngineDestroyIO(handle);
  }
  axclrtEngineIO handle = nullptr;
};

int32_t ReadTensor(axclrtEngineIOInfo info, bool input, uint32_t group, uint32_t index,
                   Tensor* tensor) {
  const char* name = input ? axclrtEngineGetInputNameByIndex(info, index)
                           : axclrtEngineGetOutputNameByIndex(info, index);
  const uint64_t size_bytes = input ? axclrtEngineGetInputSizeByIndex(info, group, index)
                                    : axclrtEngineGetOutputSizeByIndex(info, group, index);
  axclrtEngineIODims dims{};
  axclrtEngineDataType type = AXCL_DATA_TYPE_NONE;
  int32_t code = input ? axclrtEngineGetInputDims(info, group, index, &dims)
                       : axclrtEngineGetOutputDims(info, group, index, &dims);
  if (code == AXCL_SUCC) {
    code = input ? axclrtEngineGetInputDataType(info, index, &type)
                 : axclrtEngineGetOutputDataType(info, index, &type);
  }
  if (code != AXCL_SUCC) return code;
  if (name == nullptr || size_bytes > std::numeric_limits<uint32_t>::max()) {
    return AX_ENGINE_ERR_RUN;  // a table of 32-bit sizes cannot say it
  }
  tensor->name = name;
  tensor->type = engine_abi::FromAxclType(type);
  tensor->dims.assign(dims.dims, dims.dims + dims.dimCount);
  tensor->size_bytes = static_cast<uint32_t>(size_bytes);
  return 0;
}

int32_t ReadGroup(axclrtEngineIOInfo info, uint32_t group, Group* out) {
  out->inputs.resize(axclrtEngineGetNumInputs(info));
  out->outputs.resize(axclrtEngineGetNumOutputs(info));
  int32_t code = 0;
  for (uint32_t i = 0; code == 0 && i < out->inputs.size(); ++i) {
    code = ReadTensor(info, true, group, i, &out->inputs[i]);
  }
  for (uint32_t i = 0; code == 0 && i < out->outputs.size(); ++i) {
    code = ReadTensor(info, false, group, i, &out->outputs[i]);
  }
  return code;
}

class Axcl final : public engine_abi::Runtime {
 public:
  const char* version() const override { return axclrtGetFullVersion(); }

  int32_t Start(AX_ENGINE_NPU_MODE_T mode) override {
    return axclrtEngineInit(static_cast<axclrtEngineVNpuKind>(mode));  // the same numbers
  }
  int32_t GetMode(AX_ENGINE_NPU_MODE_T* mode) override {
    axclrtEngineVNpuKind kind = AXCL_VNPU_DISABLE;
    const int32_t code = axclrtEngineGetVNpuKind(&kind);
    if (code == AXCL_SUCC) *mode = static_cast<AX_ENGINE_NPU_MODE_T>(kind);
    return code;
  }
  int32_t Stop() override { return axclrtEngineFinalize(); }
  void Reset() override {}  // a card is reset by axclrtResetDevice

  int32_t GetModelType(const void* data, uint32_t size, AX_ENGINE_MODEL_TYPE_T* type) override {
    axclrtEngineModelKind kind = AXCL_MODEL_TYPE_1CORE;
    const int32_t code = axclrtEngineGetModelTypeFromMem(data, size, &kind);
    if (code == AXCL_SUCC) *type = static_cast<AX_ENGINE_MODEL_TYPE_T>(kind);
    return code;
  }
  int32_t GetModelType(uint64_t model, AX_ENGINE_MODEL_TYPE_T* type) override {
    axclrtEngineModelKind kind = AXCL_MODEL_TYPE_1CORE;
    const int32_t code = axclrtEngineGetModelTypeFromModelId(model, &kind);
    if (code == AXCL_SUCC) *type = static_cast<AX_ENGINE_MODEL_TYPE_T>(kind);
    return code;
  }
  int32_t Load(const void* data, uint32_t size, uint64_t* model) override {
    return axclrtEngineLoadFromMem(data, size, model);
  }
  int32_t Unload(uint64_t model) override { return axclrtEngineUnload(model); }
  int32_t GetCmmBytes(uint64_t model, uint64_t* bytes) override {
    int64_t system_bytes = 0;
    int64_t cmm_bytes = 0;
    const int32_t code = axclrtEngineGetUsageFromModelId(model, &system_bytes, &cmm_bytes);
    if (code == AXCL_SUCC) *bytes = static_cast<uint64_t>(cmm_bytes);
    return code;
  }
  int32_t SetAffinity(uint64_t model, uint32_t set) override {
    return axclrtEngineSetAffinity(model, set);
  }
  int32_t GetAffinity(uint64_t model, uint32_t* set) override {
    return axclrtEngineGetAffinity(model, set);
  }
  int32_t CreateContext(uint64_t model, uint64_t* context) override {
    return axclrtEngineCreateContext(model, context);
  }
  int32_t Describe(uint64_t model, Description* description) override;
  int32_t Run(uint64_t model, uint64_t context, uint32_t group, std::span<const Buffer> inputs,
              std::span<const Buffer> outputs) override;
};

int32_t Axcl::Describe(uint64_t model, Description* description) {
  Info info;
  int32_t code = axclrtEngineGetIOInfo(model, &info.handle);
  if (code != AXCL_SUCC) return code;
  int32_t count = 0;
  code = axclrtEngineGetShapeGroupsCount(info.handle, &count);
  for (int32_t i = 0; code == AXCL_SUCC && i < count; ++i) {
    code = ReadGroup(info.handle, static_cast<uint32_t>(i), &description->groups.emplace_back());
  }
  if (code != AXCL_SUCC) return code;
  const char* version = axclrtEngineGetModelCompilerVersion(model);
  if (version != nullptr) description->compiler_version = version;
  return 0;
}

int32_t Axcl::Run(uint64_t model, uint64_t context, uint32_t group, std::span<const Buffer> inputs,
                  std::span<const Buffer> outputs) {
  Info info;
  Io io;
  int32_t code = axclrtEngineGetIOInfo(model, &info.handle);
  if (code == AXCL_SUCC) code = axclrtEngineCreateIO(info.handle, &io.handle);
  for (size_t i = 0; code == AXCL_SUCC && i < inputs.size(); ++i) {
    code = axclrtEngineSetInputBufferByIndex(io.handle, static_cast<uint32_t>(i),
                                             Pointer(inputs[i].address), inputs[i].size_bytes);
  }
  for (size_t i = 0; code == AXCL_SUCC && i < outputs.size(); ++i) {
    code = axclrtEngineSetOutputBufferByIndex(io.handle, static_cast<uint32_t>(i),
                                              Pointer(outputs[i].address), outputs[i].size_bytes);
  }
  return code == AXCL_SUCC ? axclrtEngineExecute(model, context, group, io.handle) : code;
}

}  // namespace

engine_abi::Runtime& AxclRuntime() {
  static auto* runtime = new Axcl;
  return *runtime;
}

}  // namespace axsim::npu
