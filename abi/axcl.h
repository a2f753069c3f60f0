/* AXCL: the C ABI of an AX650N / AX8850 card's host library, libaxcl_rt.so (V2.25 to V3.10).
 *
 * Declarations of our own, from published behaviour; nothing is copied from the vendor. Both sides
 * of the ABI include this file: programs that dlopen the library, and the simulated card that
 * implements it. C11 and C++.
 * Threads: the library keeps a context per thread; see the context section.
 * Errors: every axclError is 0 or one of the codes below, or a raw code from the card.
 * Units: sizes in bytes, except where a field says KB; times in milliseconds.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif
#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t axclError;
typedef void* axclrtContext;
typedef void* axclrtStream;
typedef void* axclrtEvent;
typedef void* axclrtEngineIOInfo;
typedef void* axclrtEngineIO;

/* ---- error codes: 0x80000000 | module << 24 | 0x30 << 16 | part << 8 | low byte ---- */

#define AXCL_SUCC 0
/* Low bytes. */
#define AXCL_ERR_FAIL 0x01
#define AXCL_ERR_NULL_POINTER 0x02
#define AXCL_ERR_ILLEGAL_PARAM 0x03
#define AXCL_ERR_UNSUPPORT 0x04
#define AXCL_ERR_TIMEOUT 0x05
#define AXCL_ERR_BUSY 0x06
#define AXCL_ERR_NO_MEMORY 0x07
#define AXCL_ERR_ENCODE 0x08
#define AXCL_ERR_DECODE 0x09
#define AXCL_ERR_UNEXPECT_RESPONSE 0x0A
#define AXCL_ERR_OPEN 0x0B
#define AXCL_ERR_EXECUTE_FAIL 0x0C
/* Whole codes, as axclError. */
#define AXCL_CODE(part, low) ((axclError)(0x80300000u | ((part) << 8) | (low)))
#define AXCL_ERR_DEVICE_NULL AXCL_CODE(0x01u, 0x02u)
#define AXCL_ERR_DEVICE_OPEN AXCL_CODE(0x01u, 0x0Bu) /* driver not loaded */
#define AXCL_ERR_DEVICE_QUERY AXCL_CODE(0x01u, 0x80u)
#define AXCL_ERR_DEVICE_NO_CONNECT AXCL_CODE(0x01u, 0x81u) /* driver loaded, no card */
#define AXCL_ERR_DEVICE_PROBE AXCL_CODE(0x01u, 0x82u)
#define AXCL_ERR_DEVICE_NOT_ACTIVE AXCL_CODE(0x01u, 0x83u)
#define AXCL_ERR_DEVICE_INVALID_ID AXCL_CODE(0x01u, 0x84u)
#define AXCL_ERR_DEVICE_NO_ACTIVE AXCL_CODE(0x01u, 0x85u) /* no device bound to the thread */
#define AXCL_ERR_DEVICE_PORT_ALLOCATE AXCL_CODE(0x01u, 0x86u)
#define AXCL_ERR_DEVICE_REBOOT AXCL_CODE(0x01u, 0x87u)
#define AXCL_ERR_DEVICE_PORT_DESTROY AXCL_CODE(0x01u, 0x88u)
#define AXCL_ERR_CONTEXT_NULL AXCL_CODE(0x02u, 0x02u)
#define AXCL_ERR_CONTEXT_CREATE AXCL_CODE(0x02u, 0x81u)
#define AXCL_ERR_CONTEXT_DESTROY AXCL_CODE(0x02u, 0x82u)
#define AXCL_ERR_CONTEXT_BIND_THREAD AXCL_CODE(0x02u, 0x83u)
#define AXCL_ERR_CONTEXT_NOT_BOUND AXCL_CODE(0x02u, 0x84u)
#define AXCL_ERR_STREAM_NULL AXCL_CODE(0x03u, 0x02u)
#define AXCL_ERR_STREAM_CREATE AXCL_CODE(0x03u, 0x81u)
#define AXCL_ERR_STREAM_DESTROY AXCL_CODE(0x03u, 0x82u)
#define AXCL_ERR_STREAM_SYNC_TIMEOUT AXCL_CODE(0x03u, 0x83u)
#define AXCL_ERR_EVENT_NULL AXCL_CODE(0x03u, 0x02u)
#define AXCL_ERR_EVENT_CREATE AXCL_CODE(0x03u, 0x81u)
#define AXCL_ERR_EVENT_DESTROY AXCL_CODE(0x03u, 0x82u)
#define AXCL_ERR_EVENT_RECORD AXCL_CODE(0x03u, 0x83u)
#define AXCL_ERR_EVENT_WAIT AXCL_CODE(0x03u, 0x84u)
#define AXCL_ERR_TASK_NO_MEMORY AXCL_CODE(0x04u, 0x07u)
#define AXCL_ERR_TASK_EXECUTE_FAIL AXCL_CODE(0x04u, 0x0Cu) /* not sent: the card is gone */
#define AXCL_ERR_MEMORY_NULL AXCL_CODE(0x05u, 0x02u)
#define AXCL_ERR_MEMORY_ENCODE AXCL_CODE(0x05u, 0x08u)
#define AXCL_ERR_MEMORY_DECODE AXCL_CODE(0x05u, 0x09u)
#define AXCL_ERR_MEMORY_UNEXPECT_RESPONSE AXCL_CODE(0x05u, 0x0Au)
#define AXCL_ERR_MEMORY_EXECUTE_FAIL AXCL_CODE(0x05u, 0x0Cu) /* out of CMM, among others */
#define AXCL_ERR_MEMORY_NOT_DEVICE AXCL_CODE(0x05u, 0x81u)
#define AXCL_ERR_ENGINE_NULL AXCL_CODE(0x07u, 0x02u)
#define AXCL_ERR_ENGINE_ILLEGAL_PARAM AXCL_CODE(0x07u, 0x03u)
#define AXCL_ERR_ENGINE_UNSUPPORTED AXCL_CODE(0x07u, 0x04u)
#define AXCL_ERR_ENGINE_ENCODE AXCL_CODE(0x07u, 0x08u)
#define AXCL_ERR_ENGINE_DECODE AXCL_CODE(0x07u, 0x09u)
#define AXCL_ERR_ENGINE_UNEXPECT_RESPONSE AXCL_CODE(0x07u, 0x0Au)
#define AXCL_ERR_ENGINE_EXECUTE_FAIL AXCL_CODE(0x07u, 0x0Cu)
#define AXCL_ERR_ENGINE_INVALID_INDEX AXCL_CODE(0x07u, 0x81u)
#define AXCL_ERR_SYSCTRL_EXECUTE_FAIL AXCL_CODE(0x09u, 0x0Cu)

/* ---- system ---- */

/* `config`: NULL, "", a JSON file's path or a JSON string. Counted: one axclFinalize per axclInit.
 */
axclError axclInit(const char* config);
axclError axclFinalize(void);
axclError axclSetLogLevel(int32_t level); /* 0 trace, 1 debug, 2 info, 3 warn, 4 error, 5, 6 off */
void axclAppLog(int32_t level, const char* function, const char* file, uint32_t line,
                const char* format, ...);
axclError axclrtGetVersion(int32_t* major, int32_t* minor, int32_t* patch);
const char* axclrtGetFullVersion(void);
const char* axclrtGetSocName(void); /* "AX650N", also on an AX8850 */

/* ---- device: an id is the card's PCI bus number; take it from the list ---- */

#define AXCL_MAX_DEVICE_COUNT 256
#define AXCL_NO_TIMEOUT (-1)

typedef struct axclrtDeviceList {
  uint32_t num;
  int32_t devices[AXCL_MAX_DEVICE_COUNT];
} axclrtDeviceList;

typedef struct axclrtDeviceProperties {
  char swVersion[64];
  uint64_t uid;
  uint32_t pciDomain;
  uint32_t pciBusID;
  uint32_t pciDeviceID;
  int32_t temperature;   /* thousandths of a degree Celsius */
  uint32_t totalMemSize; /* KB */
  uint32_t freeMemSize;  /* KB */
  uint32_t totalCmmSize; /* KB */
  uint32_t freeCmmSize;  /* KB */
  uint32_t cpuLoading;   /* percent times 100 */
  uint32_t npuLoading;   /* percent times 100 */
  uint32_t reserved[32];
} axclrtDeviceProperties;

axclError axclrtSetDevice(int32_t device_id);   /* counted; binds the thread */
axclError axclrtResetDevice(int32_t device_id); /* unbinds it */
axclError axclrtGetDevice(int32_t* device_id);
axclError axclrtGetDeviceCount(uint32_t* count);
axclError axclrtGetDeviceList(axclrtDeviceList* list);
axclError axclrtSynchronizeDevice(void);
/* Slow, and leaves the calling thread without a device. */
axclError axclrtGetDeviceProperties(int32_t device_id, axclrtDeviceProperties* properties);
axclError axclrtRebootDevice(int32_t device_id); /* exported, undeclared by the vendor */

/* ---- context: every thread that calls axclrt* needs one bound; the last bound wins ---- */

axclError axclrtCreateContext(axclrtContext* context, int32_t device_id); /* and binds it */
axclError axclrtDestroyContext(axclrtContext context);
axclError axclrtSetCurrentContext(axclrtContext context);
axclError axclrtGetCurrentContext(axclrtContext* context);
axclError axclrtGetDefaultContext(axclrtContext* context, int32_t device_id);  /* undeclared */
axclError axclrtGetContextId(axclrtContext context, int32_t* id);              /* undeclared */
axclError axclrtGetDefaultStream(axclrtContext context, axclrtStream* stream); /* undeclared */

/* ---- streams and events ---- */

axclError axclrtCreateStream(axclrtStream* stream);
axclError axclrtDestroyStream(axclrtStream stream);
axclError axclrtDestroyStreamForce(axclrtStream stream);
axclError axclrtSynchronizeStream(axclrtStream stream); /* fails on a default stream */
axclError axclrtSynchronizeStreamWithTimeout(axclrtStream stream, int32_t timeout_ms);
axclError axclrtCreateEvent(axclrtEvent* event);
axclError axclrtDestroyEvent(axclrtEvent event);
axclError axclrtRecordEvent(axclrtEvent event, axclrtStream stream);
axclError axclrtStreamWaitEvent(axclrtStream stream, axclrtEvent event);
axclError axclrtStreamWaitEventWithTimeout(axclrtStream stream, axclrtEvent event,
                                           int32_t timeout_ms);

/* ---- memory: a device pointer is an address on the card, never to be dereferenced ---- */

typedef enum axclrtMemMallocPolicy { /* ignored in practice */
                                     AXCL_MEM_MALLOC_HUGE_FIRST = 0,
                                     AXCL_MEM_MALLOC_HUGE_ONLY = 1,
                                     AXCL_MEM_MALLOC_NORMAL_ONLY = 2,
                                     AXCL_MEM_SIZE_ALIGN = 3
} axclrtMemMallocPolicy;

typedef enum axclrtMemcpyKind {
  AXCL_MEMCPY_HOST_TO_HOST = 0,
  AXCL_MEMCPY_HOST_TO_DEVICE = 1,
  AXCL_MEMCPY_DEVICE_TO_HOST = 2,
  AXCL_MEMCPY_DEVICE_TO_DEVICE = 3,
  AXCL_MEMCPY_HOST_PHY_TO_DEVICE = 4,
  AXCL_MEMCPY_DEVICE_TO_HOST_PHY = 5
} axclrtMemcpyKind;

axclError axclrtMalloc(void** device, size_t size, axclrtMemMallocPolicy policy); /* not zeroed */
axclError axclrtMallocCached(void** device, size_t size, axclrtMemMallocPolicy policy);
/* These three take the base that Malloc gave; the others take interior addresses too. */
axclError axclrtFree(void* device);
axclError axclrtMemFlush(void* device, size_t size);
axclError axclrtMemInvalidate(void* device, size_t size);
axclError axclrtMallocHost(void** host, size_t size);
axclError axclrtFreeHost(void* host);
axclError axclrtMemset(void* device, uint8_t value, size_t count);
axclError axclrtMemcpy(void* to, const void* from, size_t count, axclrtMemcpyKind kind);
axclError axclrtMemcmp(const void* device1, const void* device2, size_t count); /* 0 when equal */
axclError axclrtMemsetAsync(void* device, uint8_t value, size_t count, axclrtStream stream);
axclError axclrtMemcpyAsync(void* to, const void* from, size_t count, axclrtMemcpyKind kind,
                            axclrtStream stream);
axclError axclrtMemcmpAsync(const void* device1, const void* device2, size_t count,
                            axclrtStream stream);

/* ---- engine ---- */

typedef enum axclrtEngineVNpuKind {
  AXCL_VNPU_DISABLE = 0,
  AXCL_VNPU_ENABLE = 1,
  AXCL_VNPU_BIG_LITTLE = 2,
  AXCL_VNPU_LITTLE_BIG = 3
} axclrtEngineVNpuKind;

typedef enum axclrtEngineModelKind {
  AXCL_MODEL_TYPE_1CORE = 0,
  AXCL_MODEL_TYPE_2CORE = 1,
  AXCL_MODEL_TYPE_3CORE = 2
} axclrtEngineModelKind;

typedef enum axclrtEngineDataType { /* NONE also stands for types the library has no name for */
                                    AXCL_DATA_TYPE_NONE = 0,
                                    AXCL_DATA_TYPE_INT4 = 1,
                                    AXCL_DATA_TYPE_UINT4 = 2,
                                    AXCL_DATA_TYPE_INT8 = 3,
                                    AXCL_DATA_TYPE_UINT8 = 4,
                                    AXCL_DATA_TYPE_INT16 = 5,
                                    AXCL_DATA_TYPE_UINT16 = 6,
                                    AXCL_DATA_TYPE_INT32 = 7,
                                    AXCL_DATA_TYPE_UINT32 = 8,
                                    AXCL_DATA_TYPE_INT64 = 9,
                                    AXCL_DATA_TYPE_UINT64 = 10,
                                    AXCL_DATA_TYPE_FP4 = 11,
                                    AXCL_DATA_TYPE_FP8 = 12,
                                    AXCL_DATA_TYPE_FP16 = 13,
                                    AXCL_DATA_TYPE_BF16 = 14,
                                    AXCL_DATA_TYPE_FP32 = 15,
                                    AXCL_DATA_TYPE_FP64 = 16
} axclrtEngineDataType;

typedef enum axclrtEngineDataLayout {
  AXCL_DATA_LAYOUT_NONE = 0,
  AXCL_DATA_LAYOUT_NHWC = 1,
  AXCL_DATA_LAYOUT_NCHW = 2
} axclrtEngineDataLayout;

#define AXCLRT_ENGINE_MAX_DIM_CNT 32

typedef uint32_t axclrtEngineSet;

typedef struct axclrtEngineIODims {
  int32_t dimCount;
  int32_t dims[AXCLRT_ENGINE_MAX_DIM_CNT];
} axclrtEngineIODims;

axclError axclrtEngineInit(axclrtEngineVNpuKind kind);
axclError axclrtEngineGetVNpuKind(axclrtEngineVNpuKind* kind);
axclError axclrtEngineFinalize(void);

axclError axclrtEngineLoadFromFile(const char* path, uint64_t* model_id);
axclError axclrtEngineLoadFromMem(const void* device, uint64_t size, uint64_t* model_id);
axclError axclrtEngineUnload(uint64_t model_id);
const char* axclrtEngineGetModelCompilerVersion(uint64_t model_id);
axclError axclrtEngineSetAffinity(uint64_t model_id, axclrtEngineSet set);
axclError axclrtEngineGetAffinity(uint64_t model_id, axclrtEngineSet* set);
axclError axclrtEngineSetContextAffinity(uint64_t model_id, uint64_t context_id,
                                         axclrtEngineSet set);
axclError axclrtEngineGetContextAffinity(uint64_t model_id, uint64_t context_id,
                                         axclrtEngineSet* set);
axclError axclrtEngineGetUsage(const char* path, int64_t* system_size, int64_t* cmm_size);
axclError axclrtEngineGetUsageFromMem(const void* device, uint64_t size, int64_t* system_size,
                                      int64_t* cmm_size);
axclError axclrtEngineGetUsageFromModelId(uint64_t model_id, int64_t* system_size,
                                          int64_t* cmm_size);
axclError axclrtEngineGetModelType(const char* path, axclrtEngineModelKind* kind);
axclError axclrtEngineGetModelTypeFromMem(const void* device, uint64_t size,
                                          axclrtEngineModelKind* kind);
axclError axclrtEngineGetModelTypeFromModelId(uint64_t model_id, axclrtEngineModelKind* kind);

axclError axclrtEngineGetIOInfo(uint64_t model_id, axclrtEngineIOInfo* info);
axclError axclrtEngineDestroyIOInfo(axclrtEngineIOInfo info);
axclError axclrtEngineGetShapeGroupsCount(axclrtEngineIOInfo info, int32_t* count);
uint32_t axclrtEngineGetNumInputs(axclrtEngineIOInfo info);
uint32_t axclrtEngineGetNumOutputs(axclrtEngineIOInfo info);
/* A bad group or index gives (uint64_t)(uint32_t)AXCL_ERR_ENGINE_INVALID_INDEX. */
uint64_t axclrtEngineGetInputSizeByIndex(axclrtEngineIOInfo info, uint32_t group, uint32_t index);
uint64_t axclrtEngineGetOutputSizeByIndex(axclrtEngineIOInfo info, uint32_t group, uint32_t index);
const char* axclrtEngineGetInputNameByIndex(axclrtEngineIOInfo info, uint32_t index);
const char* axclrtEngineGetOutputNameByIndex(axclrtEngineIOInfo info, uint32_t index);
int32_t axclrtEngineGetInputIndexByName(axclrtEngineIOInfo info, const char* name); /* < 0: none */
int32_t axclrtEngineGetOutputIndexByName(axclrtEngineIOInfo info, const char* name);
axclError axclrtEngineGetInputDims(axclrtEngineIOInfo info, uint32_t group, uint32_t index,
                                   axclrtEngineIODims* dims);
axclError axclrtEngineGetOutputDims(axclrtEngineIOInfo info, uint32_t group, uint32_t index,
                                    axclrtEngineIODims* dims);
axclError axclrtEngineGetInputDataType(axclrtEngineIOInfo info, uint32_t index,
                                       axclrtEngineDataType* type);
axclError axclrtEngineGetOutputDataType(axclrtEngineIOInfo info, uint32_t index,
                                        axclrtEngineDataType* type);
axclError axclrtEngineGetInputDataLayout(axclrtEngineIOInfo info, uint32_t index,
                                         axclrtEngineDataLayout* layout);
axclError axclrtEngineGetOutputDataLayout(axclrtEngineIOInfo info, uint32_t index,
                                          axclrtEngineDataLayout* layout);

axclError axclrtEngineCreateIO(axclrtEngineIOInfo info, axclrtEngineIO* io);
axclError axclrtEngineDestroyIO(axclrtEngineIO io);
axclError axclrtEngineSetInputBufferByIndex(axclrtEngineIO io, uint32_t index, const void* device,
                                            uint64_t size);
axclError axclrtEngineSetOutputBufferByIndex(axclrtEngineIO io, uint32_t index, const void* device,
                                             uint64_t size);
/* The ByName calls are faulty in the vendor's library: they always mean index 0. */
axclError axclrtEngineSetInputBufferByName(axclrtEngineIO io, const char* name, const void* device,
                                           uint64_t size);
axclError axclrtEngineSetOutputBufferByName(axclrtEngineIO io, const char* name, const void* device,
                                            uint64_t size);
axclError axclrtEngineGetInputBufferByIndex(axclrtEngineIO io, uint32_t index, void** device,
                                            uint64_t* size);
axclError axclrtEngineGetOutputBufferByIndex(axclrtEngineIO io, uint32_t index, void** device,
                                             uint64_t* size);
axclError axclrtEngineGetInputBufferByName(axclrtEngineIO io, const char* name, void** device,
                                           uint64_t* size);
axclError axclrtEngineGetOutputBufferByName(axclrtEngineIO io, const char* name, void** device,
                                            uint64_t* size);
axclError axclrtEngineSetDynamicBatchSize(axclrtEngineIO io, uint32_t batch);
axclError axclrtEngineCreateContext(uint64_t model_id, uint64_t* context_id); /* freed by Unload */
axclError axclrtEngineExecute(uint64_t model_id, uint64_t context_id, uint32_t group,
                              axclrtEngineIO io);
axclError axclrtEngineExecuteAsync(uint64_t model_id, uint64_t context_id, uint32_t group,
                                   axclrtEngineIO io, axclrtStream stream);

/* ---- the simulated card only: present exactly when the library is the simulator ---- */

extern const char axsim_marker[];

#ifdef __cplusplus
}
#endif
#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
