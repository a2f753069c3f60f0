// The ABI's calls that few programs use. What the simulated card has nothing for is
// AXCL_ERR_UNSUPPORT: user workers, P2P between cards, and requests to the card's own Linux.
#include "abi/axcl_internal.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "sim/card/driver.h"

using axsim::card::Driver;

namespace {

// The vendor's library without a configuration file.
constexpr char kLogPath[] = "/tmp/axcl/axcl_logs.txt";
constexpr int32_t kLogLevel = 2;
constexpr uint32_t kDmaBufferBytes = 0x400000;

}  // namespace

extern "C" {

axclError axclrtGetEnviromentByStream(axclrtStream stream, axclrtEnvironment* environment) {
  if (stream == nullptr || environment == nullptr) return AXCL_ERR_STREAM_NULL;
  const auto found = Driver::Get().FindStream(stream);
  if (found == nullptr) return -1;
  environment->device = found->context->session->card_id;
  environment->context = found->context->id;
  environment->stream = found->id;
  return AXCL_SUCC;
}

axclError axclrtGetDeviceBusInfo(int32_t device_id, axclrtDeviceBusInfo* info) {
  if (info == nullptr) return AXCL_ERR_DEVICE_NULL;
  *info = {};
  std::vector<int32_t> ids;
  Driver::Get().ListCards(&ids);
  if (std::find(ids.begin(), ids.end(), device_id) == ids.end()) return AXCL_ERR_DEVICE_QUERY;
  info->bus = static_cast<unsigned int>(device_id);
  return AXCL_SUCC;
}

axclError axclrtGetDevicePidInfo(int32_t device_id, axclrtDevicePidInfo* info) {
  if (info == nullptr) return AXCL_ERR_DEVICE_NULL;
  *info = {};
  info->device = static_cast<unsigned int>(device_id);
  std::vector<uint32_t> pids;
  if (!Driver::Get().ListPids(device_id, &pids)) return AXCL_ERR_DEVICE_QUERY;
  if (pids.empty()) return AXCL_SUCC;
  info->pid = static_cast<unsigned int*>(std::malloc(pids.size() * sizeof(unsigned int)));
  if (info->pid == nullptr) return AXCL_CODE(0x01u, AXCL_ERR_NO_MEMORY);
  std::copy(pids.begin(), pids.end(), info->pid);
  info->num = static_cast<unsigned int>(pids.size());
  return AXCL_SUCC;
}

axclError axclrtConfigLoad(const char*) { return AXCL_ERR_UNSUPPORT; }
void axclrtConfigUnLoad(void) {}
const char* axclrtConfigGetLogPath(void) { return kLogPath; }
int32_t axclrtConfigGetLogLevel(int32_t) { return kLogLevel; }
uint32_t axclrtConfigGetDmaBufSize(void) { return kDmaBufferBytes; }

axclError axclrtControlCreateContext(int32_t) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtControlDestroyContext(int32_t) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtControlCreateStream(int32_t, axclrtStream) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtControlDestroyStream(int32_t, axclrtStream) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtControlSyncStream(int32_t, axclrtStream, int32_t) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtControlCreateEvent(int32_t) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtControlDestroyEvent(int32_t) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtControlRecordEvent(axclrtStream, int32_t) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtControlStreamWaitEvent(axclrtStream, int32_t, int32_t) {
  return AXCL_ERR_UNSUPPORT;
}
axclError axclrtControlExecuteShellCmd(const char*, const char* const[], size_t, const char**,
                                       int32_t) {
  return AXCL_ERR_UNSUPPORT;
}
axclError axclrtLog(uint32_t, uint32_t, const char*) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtLatencyLoopback(const void*, uint32_t, bool, int) { return AXCL_ERR_UNSUPPORT; }

axclError axclrtCreateTask(axclrtTask*, axclrtStream, uint64_t, const void*, size_t, int32_t, bool,
                           int64_t) {
  return AXCL_ERR_UNSUPPORT;
}
axclError axclrtWaitTaskFinish(axclrtTask) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtGetTaskResponse(axclrtTask, void**, uint32_t*) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtDestoryTask(axclrtTask) { return AXCL_ERR_UNSUPPORT; }

axclError axclrtTransferFile(const char*, const char*, axclrtFileTransferPolicy) {
  return AXCL_ERR_UNSUPPORT;
}
axclError axclrtExecWorker(const char*, const int32_t*, const char*[], uint32_t*) {
  return AXCL_ERR_UNSUPPORT;
}
axclError axclrtKillWorker(uint32_t) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtWorkerSend(uint32_t, const void*, uint32_t, int32_t) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtWorkerRecv(uint32_t, void*, uint32_t, uint32_t*, int32_t) {
  return AXCL_ERR_UNSUPPORT;
}

axclError axclrtCreateP2PUnit(const axclrtP2PUnitInfo*, void**) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtDestoryP2PUnit(void*) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtP2PTriggerTest(void*, axclrtP2PTestConfig*) { return AXCL_ERR_UNSUPPORT; }
axclError axclrtEngineP2pBwTest(axclrtEngineP2pBwRes*, uint32_t, uint64_t) {
  return AXCL_ERR_UNSUPPORT;
}

}  // extern "C"
