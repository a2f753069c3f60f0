// What AX_ENGINE_* and AXCL_ENGINE_* do, over a Runtime: checks of what the program hands in,
// handles, contexts, tensor tables.
//
// Handles and contexts are numbers that are checked on every use, so a stale or invented one is
// AX_ENGINE_ERR_HANDLE and not a crash. What a handle gave out (tables, texts) is valid until it is
// destroyed.
// Owner: a static of its library. Threads: any.
#pragma once

#include <cstdint>
#include <memory>

#include "abi/ax_engine_type.h"
#include "sim/card/handles.h"
#include "sim/engine_abi/runtime.h"
#include "sim/engine_abi/tables.h"

namespace axsim::engine_abi {

class Calls {
 public:
  explicit Calls(Runtime& runtime) : runtime_(runtime) {}

  const char* GetVersion() const { return runtime_.version(); }
  void NPUReset() { runtime_.Reset(); }
  int32_t Init(AX_ENGINE_NPU_ATTR_T* attributes);
  int32_t GetVNPUAttr(AX_ENGINE_NPU_ATTR_T* attributes);
  int32_t Deinit();

  int32_t GetModelType(const void* data, uint32_t size, AX_ENGINE_MODEL_TYPE_T* type);
  int32_t CreateHandle(AX_ENGINE_HANDLE* handle, const void* data, uint32_t size,
                       const AX_ENGINE_HANDLE_EXTRA_T* extra);
  int32_t DestroyHandle(AX_ENGINE_HANDLE handle);

  int32_t GetIOInfo(AX_ENGINE_HANDLE handle, AX_ENGINE_IO_INFO_T** info);
  int32_t GetGroupIOInfoCount(AX_ENGINE_HANDLE handle, uint32_t* count);
  int32_t GetGroupIOInfo(AX_ENGINE_HANDLE handle, uint32_t group, AX_ENGINE_IO_INFO_T** info);
  int32_t GetHandleModelType(AX_ENGINE_HANDLE handle, AX_ENGINE_MODEL_TYPE_T* type);

  int32_t CreateContext(AX_ENGINE_HANDLE handle);
  int32_t CreateContextV2(AX_ENGINE_HANDLE handle, AX_ENGINE_CONTEXT_T* context);
  int32_t RunSync(AX_ENGINE_HANDLE handle, const AX_ENGINE_IO_T* io);
  int32_t RunGroup(AX_ENGINE_HANDLE handle, AX_ENGINE_CONTEXT_T context, uint32_t group,
                   const AX_ENGINE_IO_T* io);

  int32_t SetAffinity(AX_ENGINE_HANDLE handle, AX_ENGINE_NPU_SET_T set);
  int32_t GetAffinity(AX_ENGINE_HANDLE handle, AX_ENGINE_NPU_SET_T* set);
  int32_t GetCMMUsage(AX_ENGINE_HANDLE handle, AX_ENGINE_CMM_INFO* info);
  const char* GetModelToolsVersion(AX_ENGINE_HANDLE handle);

 private:
  struct Handle;
  struct Context;

  int32_t Run(Handle& handle, uint64_t context, uint32_t group, const AX_ENGINE_IO_T* io);

  Runtime& runtime_;
  card::Handles<Handle> handles_{0x61};
  card::Handles<Context> contexts_{0x62};
};

}  // namespace axsim::engine_abi
