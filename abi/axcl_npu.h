/* AXCL_ENGINE: the calls of ax_engine.h for a card, as libaxcl_npu.so exports them.
 *
 * Declarations of our own, from published behaviour; nothing is copied from the vendor. C11 and
 * C++.
 * It works beside libaxcl_rt.so (axcl.h) on the device that the calling thread is bound to. `data`
 * is the model file in the card's memory, as axclrtMalloc gave it; buffers of an AX_ENGINE_IO_T are
 * named by such addresses in phyAddr.
 * Threads: as in axcl.h. Errors: 0, a code of ax_engine_type.h, or one of axcl.h where the call
 * does not reach the engine.
 */
#pragma once

#include <stdint.h>

#include "abi/ax_engine_type.h"

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif
#ifdef __cplusplus
extern "C" {
#endif

const char* AXCL_ENGINE_GetVersion(void);
void AXCL_ENGINE_NPUReset(void);
int32_t AXCL_ENGINE_Init(AX_ENGINE_NPU_ATTR_T* attributes);
int32_t AXCL_ENGINE_GetVNPUAttr(AX_ENGINE_NPU_ATTR_T* attributes); /* fails before Init */
int32_t AXCL_ENGINE_Deinit(void);

int32_t AXCL_ENGINE_GetModelType(const void* data, uint32_t size, AX_ENGINE_MODEL_TYPE_T* type);
int32_t AXCL_ENGINE_CreateHandle(AX_ENGINE_HANDLE* handle, const void* data, uint32_t size);
int32_t AXCL_ENGINE_CreateHandleV2(AX_ENGINE_HANDLE* handle, const void* data, uint32_t size,
                                   AX_ENGINE_HANDLE_EXTRA_T* extra);
int32_t AXCL_ENGINE_DestroyHandle(AX_ENGINE_HANDLE handle); /* ends its contexts and tables too */

/* The table belongs to the handle. */
int32_t AXCL_ENGINE_GetIOInfo(AX_ENGINE_HANDLE handle, AX_ENGINE_IO_INFO_T** info);
int32_t AXCL_ENGINE_GetGroupIOInfoCount(AX_ENGINE_HANDLE handle, uint32_t* count);
/* Older libraries refuse it for models of one group. */
int32_t AXCL_ENGINE_GetGroupIOInfo(AX_ENGINE_HANDLE handle, uint32_t group,
                                   AX_ENGINE_IO_INFO_T** info);
int32_t AXCL_ENGINE_GetHandleModelType(AX_ENGINE_HANDLE handle, AX_ENGINE_MODEL_TYPE_T* type);

int32_t AXCL_ENGINE_CreateContext(AX_ENGINE_HANDLE handle); /* the one that RunSync uses */
int32_t AXCL_ENGINE_CreateContextV2(AX_ENGINE_HANDLE handle, AX_ENGINE_CONTEXT_T* context);
int32_t AXCL_ENGINE_RunSync(AX_ENGINE_HANDLE handle, AX_ENGINE_IO_T* io);
int32_t AXCL_ENGINE_RunSyncV2(AX_ENGINE_HANDLE handle, AX_ENGINE_CONTEXT_T context,
                              AX_ENGINE_IO_T* io);
int32_t AXCL_ENGINE_RunGroupIOSync(AX_ENGINE_HANDLE handle, AX_ENGINE_CONTEXT_T context,
                                   uint32_t group, AX_ENGINE_IO_T* io);

int32_t AXCL_ENGINE_SetAffinity(AX_ENGINE_HANDLE handle, AX_ENGINE_NPU_SET_T set);
int32_t AXCL_ENGINE_GetAffinity(AX_ENGINE_HANDLE handle, AX_ENGINE_NPU_SET_T* set);
int32_t AXCL_ENGINE_GetCMMUsage(AX_ENGINE_HANDLE handle, AX_ENGINE_CMM_INFO* info);
const char* AXCL_ENGINE_GetModelToolsVersion(AX_ENGINE_HANDLE handle);

#ifdef __cplusplus
}
#endif
#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
