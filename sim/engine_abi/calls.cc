#include "sim/engine_abi/calls.h"

#include <atomic>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

namespace axsim::engine_abi {
namespace {

// The buffers of one side; false: fewer than tensors, or none at all where some are needed.
bool Collect(const AX_ENGINE_IO_BUFFER_T* buffers, uint32_t count, uint32_t needed,
             std::vector<Buffer>* out) {
  if (count < needed || (needed > 0 && buffers == nullptr)) return false;
  out->clear();
  for (uint32_t i = 0; i < needed; ++i) out->push_back({buffers[i].phyAddr, buffers[i].nSize});
  return true;
}

}  // namespace

struct Calls::Handle {
  Handle(uint64_t its_model, Description description)
      : model(its_model), tables(std::move(description)) {}
  const uint64_t model;
  Tables tables;
  std::atomic<uint64_t> default_context{0};  // what CreateContext made; 0: not yet
};

struct Calls::Context {
  std::shared_ptr<Handle> handle;
  uint64_t id = 0;
};

int32_t Calls::Init(AX_ENGINE_NPU_ATTR_T* attributes) {
  if (attributes == nullptr) return AX_ENGINE_ERR_NULL;
  uint32_t number = 0;  // the program's: perhaps none of the enumeration's
  std::memcpy(&number, &attributes->eHardMode, sizeof(number));
  if (number > AX_ENGINE_VIRTUAL_NPU_LITTLE_BIG) return AX_ENGINE_ERR_INIT;
  const auto wanted = static_cast<AX_ENGINE_NPU_MODE_T>(number);
  AX_ENGINE_NPU_MODE_T present;
  if (runtime_.GetMode(&present) == 0 && present != wanted) return AX_ENGINE_ERR_INIT;
  return runtime_.Start(wanted);
}

int32_t Calls::GetVNPUAttr(AX_ENGINE_NPU_ATTR_T* attributes) {
  if (attributes == nullptr) return AX_ENGINE_ERR_NULL;
  *attributes = {};
  return runtime_.GetMode(&attributes->eHardMode);
}

int32_t Calls::Deinit() { return runtime_.Stop(); }

int32_t Calls::GetModelType(const void* data, uint32_t size, AX_ENGINE_MODEL_TYPE_T* type) {
  if (data == nullptr || size == 0 || type == nullptr) return AX_ENGINE_ERR_NULL;
  return runtime_.GetModelType(data, size, type);
}

int32_t Calls::CreateHandle(AX_ENGINE_HANDLE* handle, const void* data, uint32_t size,
                            const AX_ENGINE_HANDLE_EXTRA_T* extra) {
  if (handle == nullptr || data == nullptr || size == 0) return AX_ENGINE_ERR_NULL;
  *handle = nullptr;
  uint64_t model = 0;
  int32_t code = runtime_.Load(data, size, &model);
  if (code != 0) return code;
  Description description;
  code = runtime_.Describe(model, &description);
  if (code == 0 && extra != nullptr && extra->nNpuSet != 0) {
    code = runtime_.SetAffinity(model, extra->nNpuSet);
  }
  if (code != 0) {
    runtime_.Unload(model);
    return code;
  }
  *handle = handles_.Add(std::make_shared<Handle>(model, std::move(description)));
  return 0;
}

int32_t Calls::DestroyHandle(AX_ENGINE_HANDLE handle) {
  const auto removed = handles_.Remove(handle);
  if (removed == nullptr) return AX_ENGINE_ERR_HANDLE;
  contexts_.RemoveIf([&removed](const Context& context) { return context.handle == removed; });
  return runtime_.Unload(removed->model);
}

int32_t Calls::GetIOInfo(AX_ENGINE_HANDLE handle, AX_ENGINE_IO_INFO_T** info) {
  return GetGroupIOInfo(handle, 0, info);
}

int32_t Calls::GetGroupIOInfoCount(AX_ENGINE_HANDLE handle, uint32_t* count) {
  if (count == nullptr) return AX_ENGINE_ERR_NULL;
  const auto found = handles_.Find(handle);
  if (found == nullptr) return AX_ENGINE_ERR_HANDLE;
  *count = found->tables.groups();
  return 0;
}

int32_t Calls::GetGroupIOInfo(AX_ENGINE_HANDLE handle, uint32_t group, AX_ENGINE_IO_INFO_T** info) {
  if (info == nullptr) return AX_ENGINE_ERR_NULL;
  *info = nullptr;
  const auto found = handles_.Find(handle);
  if (found == nullptr) return AX_ENGINE_ERR_HANDLE;
  if (group >= found->tables.groups()) return AX_ENGINE_ERR_RUN;
  *info = found->tables.info(group);
  return 0;
}

int32_t Calls::GetHandleModelType(AX_ENGINE_HANDLE handle, AX_ENGINE_MODEL_TYPE_T* type) {
  if (type == nullptr) return AX_ENGINE_ERR_NULL;
  const auto found = handles_.Find(handle);
  return found == nullptr ? AX_ENGINE_ERR_HANDLE : runtime_.GetModelType(found->model, type);
}

int32_t Calls::CreateContext(AX_ENGINE_HANDLE handle) {
  const auto found = handles_.Find(handle);
  if (found == nullptr) return AX_ENGINE_ERR_HANDLE;
  uint64_t id = 0;
  const int32_t code = runtime_.CreateContext(found->model, &id);
  if (code == 0) found->default_context.store(id);
  return code;
}

int32_t Calls::CreateContextV2(AX_ENGINE_HANDLE handle, AX_ENGINE_CONTEXT_T* context) {
  if (context == nullptr) return AX_ENGINE_ERR_NULL;
  *context = nullptr;
  const auto found = handles_.Find(handle);
  if (found == nullptr) return AX_ENGINE_ERR_HANDLE;
  auto made = std::make_shared<Context>(Context{found, 0});
  const int32_t code = runtime_.CreateContext(found->model, &made->id);
  if (code == 0) *context = contexts_.Add(std::move(made));
  return code;
}

int32_t Calls::Run(Handle& handle, uint64_t context, uint32_t group, const AX_ENGINE_IO_T* io) {
  if (group >= handle.tables.groups()) return AX_ENGINE_ERR_RUN;
  const AX_ENGINE_IO_INFO_T& info = *handle.tables.info(group);
  thread_local std::vector<Buffer> inputs;  // kept, so that a run allocates nothing
  thread_local std::vector<Buffer> outputs;
  if (!Collect(io->pInputs, io->nInputSize, info.nInputSize, &inputs) ||
      !Collect(io->pOutputs, io->nOutputSize, info.nOutputSize, &outputs)) {
    return AX_ENGINE_ERR_RUN;
  }
  return runtime_.Run(handle.model, context, group, inputs, outputs);
}

int32_t Calls::RunSync(AX_ENGINE_HANDLE handle, const AX_ENGINE_IO_T* io) {
  if (io == nullptr) return AX_ENGINE_ERR_NULL;
  const auto found = handles_.Find(handle);
  const uint64_t context = found == nullptr ? 0 : found->default_context.load();
  return context == 0 ? AX_ENGINE_ERR_HANDLE : Run(*found, context, 0, io);
}

int32_t Calls::RunGroup(AX_ENGINE_HANDLE handle, AX_ENGINE_CONTEXT_T context, uint32_t group,
                        const AX_ENGINE_IO_T* io) {
  if (io == nullptr) return AX_ENGINE_ERR_NULL;
  const auto found = handles_.Find(handle);
  const auto found_context = contexts_.Find(context);
  if (found == nullptr || found_context == nullptr || found_context->handle != found) {
    return AX_ENGINE_ERR_HANDLE;
  }
  return Run(*found, found_context->id, group, io);
}

int32_t Calls::SetAffinity(AX_ENGINE_HANDLE handle, AX_ENGINE_NPU_SET_T set) {
  const auto found = handles_.Find(handle);
  return found == nullptr ? AX_ENGINE_ERR_HANDLE : runtime_.SetAffinity(found->model, set);
}

int32_t Calls::GetAffinity(AX_ENGINE_HANDLE handle, AX_ENGINE_NPU_SET_T* set) {
  if (set == nullptr) return AX_ENGINE_ERR_NULL;
  const auto found = handles_.Find(handle);
  return found == nullptr ? AX_ENGINE_ERR_HANDLE : runtime_.GetAffinity(found->model, set);
}

int32_t Calls::GetCMMUsage(AX_ENGINE_HANDLE handle, AX_ENGINE_CMM_INFO* info) {
  if (info == nullptr) return AX_ENGINE_ERR_NULL;
  const auto found = handles_.Find(handle);
  if (found == nullptr) return AX_ENGINE_ERR_HANDLE;
  uint64_t bytes = 0;
  const int32_t code = runtime_.GetCmmBytes(found->model, &bytes);
  if (code != 0) return code;
  // The field has 32 bits: more than it can say is the most it can say.
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  info->nCMMSize = static_cast<uint32_t>(bytes < kMost ? bytes : kMost);
  return 0;
}

const char* Calls::GetModelToolsVersion(AX_ENGINE_HANDLE handle) {
  const auto found = handles_.Find(handle);
  return found == nullptr ? nullptr : found->tables.compiler_version();
}

}  // namespace axsim::engine_abi
