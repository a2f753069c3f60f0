#include "device/axengine/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "abi/ax_engine_type.h"
#include "abi/ax_sys.h"

namespace axollama::device::axengine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(AxEngineErrors, SayWhatWhereAndWhatToDo) {
  const Error full = Describe("AX_SYS_MemAllocCached", AX_ERR_CMM_NOMEM, "42 bytes");
  EXPECT_EQ(full.kind, ErrorKind::kNoMemory);
  EXPECT_EQ(full.message,
            "AX_SYS_MemAllocCached failed for 42 bytes with 0x800B0018 (the board is out of memory "
            "for the NPU (CMM)): unload other models, or stop other programs that use the NPU");
  const Error driver = Describe("AX_SYS_Init", AX_ERR_CMM_NOTREADY);
  EXPECT_EQ(driver.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(driver.message, AllOf(HasSubstr("0x800B0010"), HasSubstr("kernel modules")));
  EXPECT_EQ(Describe("AX_ENGINE_Init", AX_ENGINE_ERR_INIT).kind, ErrorKind::kUnavailable);
  EXPECT_EQ(Describe("AX_ENGINE_RunSyncV2", AX_ENGINE_ERR_RUN).kind, ErrorKind::kDevice);
  EXPECT_EQ(Describe("AX_ENGINE_RunSyncV2", AX_ENGINE_ERR_HANDLE).kind, ErrorKind::kInternal);
}

TEST(AxEngineErrors, UnknownCodesAreShown) {
  const Error error = Describe("AX_ENGINE_RunSyncV2", -1, "x.axmodel");
  EXPECT_EQ(error.kind, ErrorKind::kDevice);
  EXPECT_THAT(error.message, AllOf(HasSubstr("for x.axmodel with 0xFFFFFFFF"), HasSubstr("dmesg")));
}

}  // namespace
}  // namespace axollama::device::axengine
