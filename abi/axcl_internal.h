/* AXCL: what libaxcl_rt.so exports besides axcl.h: user workers, P2P between cards, and calls that
 * the vendor's public headers lack but its tools and unit tests import (V3.10).
 *
 * Declarations of our own, from published behaviour; nothing is copied from the vendor. C11 and
 * C++. Threads and errors as in axcl.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/axcl.h"

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif
#ifdef __cplusplus
extern "C" {
#endif

/* ---- where a stream belongs, and where a card sits ---- */

typedef struct axclrtEnvironment {
  int32_t device;
  int32_t context; /* as axclrtGetContextId gives it */
  int32_t stream;  /* counted per context; the default stream is 1 */
} axclrtEnvironment;

axclError axclrtGetEnviromentByStream(axclrtStream stream, axclrtEnvironment* environment);

typedef struct axclrtDeviceBusInfo {
  unsigned int domain;
  unsigned int bus;
  unsigned int slot;
  unsigned int func;
} axclrtDeviceBusInfo;

typedef struct axclrtDevicePidInfo {
  unsigned int device;
  unsigned int num;  /* of processes that use the card */
  unsigned int* pid; /* the caller frees it with free(); NULL when there are none */
} axclrtDevicePidInfo;

axclError axclrtGetDeviceBusInfo(int32_t device_id, axclrtDeviceBusInfo* info);
axclError axclrtGetDevicePidInfo(int32_t device_id, axclrtDevicePidInfo* info);

/* ---- the library's configuration ---- */

axclError axclrtConfigLoad(const char* json);
void axclrtConfigUnLoad(void);
const char* axclrtConfigGetLogPath(void);
int32_t axclrtConfigGetLogLevel(int32_t device);
uint32_t axclrtConfigGetDmaBufSize(void);

/* ---- requests to the card's own Linux ---- */

axclError axclrtControlCreateContext(int32_t context_id);
axclError axclrtControlDestroyContext(int32_t context_id);
axclError axclrtControlCreateStream(int32_t context_id, axclrtStream stream);
axclError axclrtControlDestroyStream(int32_t context_id, axclrtStream stream);
axclError axclrtControlSyncStream(int32_t context_id, axclrtStream stream, int32_t timeout_ms);
axclError axclrtControlCreateEvent(int32_t event_id);
axclError axclrtControlDestroyEvent(int32_t event_id);
axclError axclrtControlRecordEvent(axclrtStream stream, int32_t event_id);
axclError axclrtControlStreamWaitEvent(axclrtStream stream, int32_t event_id, int32_t timeout_ms);
axclError axclrtControlExecuteShellCmd(const char* command, const char* const arguments[],
                                       size_t count, const char** output, int32_t timeout_ms);
axclError axclrtLog(uint32_t kind, uint32_t flag, const char* output_path);
axclError axclrtLatencyLoopback(const void* data, uint32_t size, bool check, int mode);

typedef void* axclrtTask;
axclError axclrtCreateTask(axclrtTask* task, axclrtStream stream, uint64_t token, const void* data,
                           size_t size, int32_t timeout_ms, bool has_response, int64_t flag);
axclError axclrtWaitTaskFinish(axclrtTask task);
axclError axclrtGetTaskResponse(axclrtTask task, void** data, uint32_t* size);
axclError axclrtDestoryTask(axclrtTask task);

/* ---- user workers: programs of one's own on the card ---- */

typedef enum axclrtFileTransferPolicy {
  FILE_TRANSFER_FROM_HOST_TO_DEVICE = 0,
  FILE_TRANSFER_FROM_DEVICE_TO_HOST = 1,
  FILE_TRANSFER_FROM_DEVICE_TO_DEVICE = 2,
  FILE_TRANSFER_REMOVE_DEVICE_FILE = 3
} axclrtFileTransferPolicy;

axclError axclrtTransferFile(const char* from, const char* to, axclrtFileTransferPolicy policy);
axclError axclrtExecWorker(const char* path, const int32_t* argc, const char* argv[],
                           uint32_t* pid);
axclError axclrtKillWorker(uint32_t pid);
axclError axclrtWorkerSend(uint32_t pid, const void* data, uint32_t size, int32_t timeout_ms);
axclError axclrtWorkerRecv(uint32_t pid, void* data, uint32_t size, uint32_t* received,
                           int32_t timeout_ms);

/* ---- P2P between cards; the structures are not described here ---- */

struct axclrtP2PUnitInfo;
struct axclrtP2PTestConfig;
struct axclrtEngineP2pBwRes;
axclError axclrtCreateP2PUnit(const struct axclrtP2PUnitInfo* info, void** handle);
axclError axclrtDestoryP2PUnit(void* handle);
axclError axclrtP2PTriggerTest(void* handle, struct axclrtP2PTestConfig* config);
axclError axclrtEngineP2pBwTest(struct axclrtEngineP2pBwRes* result, uint32_t mode, uint64_t size);

#ifdef __cplusplus
}
#endif
#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
