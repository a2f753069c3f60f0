/* AX_ENGINE: the inference calls of an AX650N / AX8850 board's own library, libax_engine.so.
 *
 * Declarations of our own, from published behaviour; nothing is copied from the vendor. Both sides
 * of the ABI include this file: programs that dlopen the library, and the simulated one. C11 and
 * C++.
 * Order: AX_SYS_Init (ax_sys.h), AX_ENGINE_Init, then handles. `data` is the model file in the
 * program's memory, not needed any more when the handle is made; buffers of an AX_ENGINE_IO_T are
 * CMM of ax_sys.h, named by their physical address.
 * Threads: any; a run waits for the one before it. Errors: 0, or a code of ax_engine_type.h.
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

const char* AX_ENGINE_GetVersion(void);
void AX_ENGINE_NPUReset(void);
int32_t AX_ENGINE_Init(AX_ENGINE_NPU_ATTR_T* attributes);
int32_t AX_ENGINE_GetVNPUAttr(AX_ENGINE_NPU_ATTR_T* attributes); /* fails before Init */
int32_t AX_ENGINE_Deinit(void);

int32_t AX_ENGINE_GetModelType(const void* data, uint32_t size, AX_ENGINE_MODEL_TYPE_T* type);
int32_t AX_ENGINE_CreateHandle(AX_ENGINE_HANDLE* handle, const void* data, uint32_t size);
int32_t AX_ENGINE_CreateHandleV2(AX_ENGINE_HANDLE* handle, const void* data, uint32_t size,
                                 AX_ENGINE_HANDLE_EXTRA_T* extra);
int32_t AX_ENGINE_DestroyHandle(AX_ENGINE_HANDLE handle); /* ends its contexts and tables too */

/* The table belongs to the handle. */
int32_t AX_ENGINE_GetIOInfo(AX_ENGINE_HANDLE handle, AX_ENGINE_IO_INFO_T** info);
int32_t AX_ENGINE_GetGroupIOInfoCount(AX_ENGINE_HANDLE handle, uint32_t* count);
/* Older libraries refuse it for models of one group. */
int32_t AX_ENGINE_GetGroupIOInfo(AX_ENGINE_HANDLE handle, uint32_t group,
                                 AX_ENGINE_IO_INFO_T** info);
int32_t AX_ENGINE_GetHandleModelType(AX_ENGINE_HANDLE handle, AX_ENGINE_MODEL_TYPE_T* type);

int32_t AX_ENGINE_CreateContext(AX_ENGINE_HANDLE handle); /* the one that RunSync uses */
int32_t AX_ENGINE_CreateContextV2(AX_ENGINE_HANDLE handle, AX_ENGINE_CONTEXT_T* context);
int32_t AX_ENGINE_RunSync(AX_ENGINE_HANDLE handle, AX_ENGINE_IO_T* io);
int32_t AX_ENGINE_RunSyncV2(AX_ENGINE_HANDLE handle, AX_ENGINE_CONTEXT_T context,
                            AX_ENGINE_IO_T* io);
int32_t AX_ENGINE_RunGroupIOSync(AX_ENGINE_HANDLE handle, AX_ENGINE_CONTEXT_T context,
                                 uint32_t group, AX_ENGINE_IO_T* io);

int32_t AX_ENGINE_SetAffinity(AX_ENGINE_HANDLE handle, AX_ENGINE_NPU_SET_T set);
int32_t AX_ENGINE_GetAffinity(AX_ENGINE_HANDLE handle, AX_ENGINE_NPU_SET_T* set);
int32_t AX_ENGINE_GetCMMUsage(AX_ENGINE_HANDLE handle, AX_ENGINE_CMM_INFO* info);
const char* AX_ENGINE_GetModelToolsVersion(AX_ENGINE_HANDLE handle);

#ifdef __cplusplus
}
#endif
#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
