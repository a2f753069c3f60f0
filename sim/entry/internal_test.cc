// The calls that few programs use.
#include "abi/axcl_internal.h"

#include <algorithm>

#include "sim/entry/fixture.h"

namespace axsim::entry {
namespace {

// Every export of the vendor's V3.10 library that its public headers lack.
TEST_F(EntryTest, HasWhatToolsImport) {
  for (const char* name : {"axclrtConfigLoad",
                           "axclrtConfigUnLoad",
                           "axclrtConfigGetDmaBufSize",
                           "axclrtConfigGetLogLevel",
                           "axclrtConfigGetLogPath",
                           "axclrtControlCreateContext",
                           "axclrtControlDestroyContext",
                           "axclrtControlCreateEvent",
                           "axclrtControlDestroyEvent",
                           "axclrtControlCreateStream",
                           "axclrtControlDestroyStream",
                           "axclrtControlExecuteShellCmd",
                           "axclrtControlRecordEvent",
                           "axclrtControlStreamWaitEvent",
                           "axclrtControlSyncStream",
                           "axclrtCreateTask",
                           "axclrtDestoryTask",
                           "axclrtGetTaskResponse",
                           "axclrtWaitTaskFinish",
                           "axclrtEngineP2pBwTest",
                           "axclrtP2PTriggerTest",
                           "axclrtGetContextId",
                           "axclrtGetDefaultContext",
                           "axclrtGetDefaultStream",
                           "axclrtGetDeviceBusInfo",
                           "axclrtGetDevicePidInfo",
                           "axclrtGetEnviromentByStream",
                           "axclrtLatencyLoopback",
                           "axclrtLog",
                           "axclrtRebootDevice",
                           "axclrtCreateP2PUnit",
                           "axclrtDestoryP2PUnit",
                           "axclrtTransferFile",
                           "axclrtExecWorker",
                           "axclrtKillWorker",
                           "axclrtWorkerSend",
                           "axclrtWorkerRecv"}) {
    EXPECT_NE(dlsym(Library(), name), nullptr) << name;
  }
}

TEST_F(EntryTest, StreamsKnowWhereTheyBelong) {
  Open(R"({"cards":[{"id":129}]})");
  void* context = nullptr;
  void* streams[3] = {};
  ASSERT_EQ(AX(axclrtCreateContext)(&context, card_), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtGetDefaultStream)(context, &streams[0]), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtCreateStream)(&streams[1]), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtCreateStream)(&streams[2]), AXCL_SUCC);
  int32_t id = -1;
  ASSERT_EQ(AX(axclrtGetContextId)(context, &id), AXCL_SUCC);
  for (int i = 0; i < 3; ++i) {
    axclrtEnvironment environment{};
    ASSERT_EQ(AX(axclrtGetEnviromentByStream)(streams[i], &environment), AXCL_SUCC);
    EXPECT_EQ(environment.device, 129);
    EXPECT_EQ(environment.context, id);
    EXPECT_EQ(environment.stream, i + 1);
  }
  axclrtEnvironment environment{};
  EXPECT_EQ(AX(axclrtGetEnviromentByStream)(nullptr, &environment), Code(0x80300302));
  EXPECT_EQ(AX(axclrtGetEnviromentByStream)(&environment, &environment), -1);
}

TEST_F(EntryTest, BusAndProcesses) {
  axclrtDeviceBusInfo bus{};
  axclrtDevicePidInfo processes{};
  EXPECT_EQ(AX(axclrtGetDeviceBusInfo)(1, &bus), Code(0x80300180)) << "before axclInit";
  ASSERT_EQ(AX(axclInit)(nullptr), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtGetDeviceBusInfo)(1, nullptr), Code(0x80300102));
  EXPECT_EQ(AX(axclrtGetDeviceBusInfo)(2, &bus), Code(0x80300180));
  ASSERT_EQ(AX(axclrtGetDeviceBusInfo)(1, &bus), AXCL_SUCC);
  EXPECT_EQ(bus.bus, 1u);
  EXPECT_EQ(AX(axclrtGetDevicePidInfo)(2, &processes), Code(0x80300180));
  ASSERT_EQ(AX(axclrtGetDevicePidInfo)(1, &processes), AXCL_SUCC);
  EXPECT_EQ(processes.num, 0u);
  EXPECT_EQ(processes.pid, nullptr);
  Open();
  Holder holder(1);
  ASSERT_TRUE(holder.started());
  ASSERT_EQ(AX(axclrtGetDevicePidInfo)(1, &processes), AXCL_SUCC);
  ASSERT_EQ(processes.num, 2u);
  EXPECT_NE(std::find(processes.pid, processes.pid + 2, static_cast<unsigned int>(getpid())),
            processes.pid + 2);
  free(processes.pid);
  holder.Kill();
  ASSERT_EQ(AX(axclrtGetDevicePidInfo)(1, &processes), AXCL_SUCC);
  ASSERT_EQ(processes.num, 1u) << "its memory is still taken, but it is gone";
  EXPECT_EQ(processes.pid[0], static_cast<unsigned int>(getpid()));
  free(processes.pid);
}

TEST_F(EntryTest, WhatIsUnsupportedSaysSo) {
  Open();
  uint32_t pid = 0;
  void* handle = nullptr;
  const char* output = nullptr;
  EXPECT_EQ(AX(axclrtExecWorker)("/opt/worker", nullptr, nullptr, &pid), AXCL_ERR_UNSUPPORT);
  EXPECT_EQ(AX(axclrtCreateP2PUnit)(nullptr, &handle), AXCL_ERR_UNSUPPORT);
  EXPECT_EQ(AX(axclrtControlExecuteShellCmd)("ls", nullptr, 0, &output, 1000), AXCL_ERR_UNSUPPORT);
  EXPECT_EQ(AX(axclrtTransferFile)("a", "b", FILE_TRANSFER_FROM_HOST_TO_DEVICE),
            AXCL_ERR_UNSUPPORT);
  EXPECT_EQ(AX(axclrtConfigGetDmaBufSize)(), 0x400000u);
}

}  // namespace
}  // namespace axsim::entry
