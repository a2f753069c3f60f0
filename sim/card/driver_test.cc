#include "sim/card/driver.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <thread>

namespace axsim::card {
namespace {

class DriverTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/axsim-driver-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    setenv("AXSIM_STATE", folder_.c_str(), 1);
    for (const char* name : {"AXSIM_CONFIG", "AXSIM_PROFILE", "AXSIM_ISA", "AXSIM_THREADS"}) {
      unsetenv(name);
    }
  }
  void TearDown() override {
    bool last = false;
    while (driver_.Finalize(&last) == AXCL_SUCC && !last) {
    }
    std::filesystem::remove_all(folder_);
  }

  std::filesystem::path folder_;
  Driver& driver_ = Driver::Get();
};

TEST_F(DriverTest, InitIsCounted) {
  ASSERT_EQ(driver_.Init(""), AXCL_SUCC);
  ASSERT_EQ(driver_.Init(""), AXCL_SUCC);
  bool last = true;
  EXPECT_EQ(driver_.Finalize(&last), AXCL_SUCC);
  EXPECT_FALSE(last);
  std::vector<int32_t> ids;
  EXPECT_EQ(driver_.ListCards(&ids), AXCL_SUCC);
  EXPECT_EQ(driver_.Finalize(&last), AXCL_SUCC);
  EXPECT_TRUE(last);
  EXPECT_NE(driver_.ListCards(&ids), AXCL_SUCC);
  EXPECT_NE(driver_.Finalize(&last), AXCL_SUCC);
}

TEST_F(DriverTest, FailuresOfInit) {
  EXPECT_EQ(driver_.Init(R"({"cards":[]})"), static_cast<axclError>(0x80300181));
  std::vector<int32_t> ids;
  EXPECT_EQ(driver_.ListCards(&ids), static_cast<axclError>(0x80300181));
  EXPECT_EQ(driver_.Init(R"({"init_error":"0x8030010B"})"), static_cast<axclError>(0x8030010B));
  EXPECT_EQ(driver_.SetDevice(1), static_cast<axclError>(0x8030010B));
  EXPECT_EQ(driver_.Init(R"({"cards":[],"card":1})"), static_cast<axclError>(0x80300603));
  setenv("AXSIM_STATE", "/proc/no/such", 1);
  EXPECT_EQ(driver_.Init(""), static_cast<axclError>(0x8030010B));
}

TEST_F(DriverTest, SetAndResetAreCounted) {
  ASSERT_EQ(driver_.Init(R"({"cards":[{"id":129},{"id":2}]})"), AXCL_SUCC);
  std::vector<int32_t> ids;
  ASSERT_EQ(driver_.ListCards(&ids), AXCL_SUCC);
  EXPECT_EQ(ids, (std::vector<int32_t>{2, 129}));
  EXPECT_EQ(driver_.SetDevice(0), static_cast<axclError>(0x80300184));
  EXPECT_EQ(driver_.ResetDevice(2), static_cast<axclError>(0x80300183));
  ASSERT_EQ(driver_.SetDevice(2), AXCL_SUCC);
  const auto session = driver_.CurrentContext()->session;
  ASSERT_EQ(driver_.SetDevice(2), AXCL_SUCC);
  EXPECT_EQ(driver_.CurrentContext()->session, session);
  ASSERT_EQ(driver_.ResetDevice(2), AXCL_SUCC);
  EXPECT_EQ(driver_.CurrentContext(), nullptr);
  EXPECT_TRUE(session->IsUsable());
  ASSERT_EQ(driver_.ResetDevice(2), AXCL_SUCC);
  EXPECT_FALSE(session->IsUsable());
  EXPECT_EQ(driver_.ResetDevice(2), static_cast<axclError>(0x80300183));
}

TEST_F(DriverTest, ContextsBelongToThreads) {
  ASSERT_EQ(driver_.Init(""), AXCL_SUCC);
  void* handle = nullptr;
  EXPECT_EQ(driver_.GetDefaultContext(1, &handle), static_cast<axclError>(0x80300183));
  ASSERT_EQ(driver_.SetDevice(1), AXCL_SUCC);
  ASSERT_EQ(driver_.GetDefaultContext(1, &handle), AXCL_SUCC);
  EXPECT_EQ(driver_.CurrentContext()->handle, handle);
  EXPECT_EQ(driver_.DestroyContext(handle), static_cast<axclError>(0x80300282));

  void* own = nullptr;
  std::thread([&] {
    EXPECT_EQ(driver_.CurrentContext(), nullptr);
    ASSERT_EQ(driver_.CreateContext(1, &own), AXCL_SUCC);
    EXPECT_EQ(driver_.CurrentContext()->handle, own);
    EXPECT_EQ(driver_.SetCurrentContext(handle), AXCL_SUCC);
    EXPECT_EQ(driver_.CurrentContext()->handle, handle);
    EXPECT_NE(driver_.CurrentContext()->handle, own);
  }).join();
  EXPECT_EQ(driver_.SetCurrentContext(own), AXCL_SUCC);
  EXPECT_EQ(driver_.DestroyContext(own), AXCL_SUCC);
  EXPECT_EQ(driver_.CurrentContext(), nullptr);
  EXPECT_EQ(driver_.DestroyContext(own), static_cast<axclError>(0x80300282));
  int nothing = 0;
  EXPECT_EQ(driver_.SetCurrentContext(&nothing), static_cast<axclError>(0x80300283));
}

TEST_F(DriverTest, CreateContextActivates) {
  ASSERT_EQ(driver_.Init(""), AXCL_SUCC);
  void* handle = nullptr;
  ASSERT_EQ(driver_.CreateContext(1, &handle), AXCL_SUCC);
  EXPECT_TRUE(driver_.CurrentContext()->session->IsUsable());
  EXPECT_EQ(driver_.ResetDevice(1), AXCL_SUCC);
  EXPECT_EQ(driver_.ResetDevice(1), static_cast<axclError>(0x80300183));
}

TEST_F(DriverTest, PropertiesFollowTheCard) {
  ASSERT_EQ(driver_.Init(R"({"cards":[{"id":1,"cmm_mib":100},{"id":7,"cmm_mib":200}]})"),
            AXCL_SUCC);
  ASSERT_EQ(driver_.SetDevice(1), AXCL_SUCC);
  const auto session = driver_.CurrentContext()->session;
  ASSERT_TRUE(session->books->Take(10 << 20));
  axclrtDeviceProperties first{};
  ASSERT_EQ(driver_.ReadProperties(1, &first), AXCL_SUCC);
  EXPECT_EQ(driver_.CurrentContext(), nullptr) << "asking unbinds the thread";
  EXPECT_TRUE(session->IsUsable());
  EXPECT_EQ(first.totalCmmSize, 100u * 1024);
  EXPECT_EQ(first.freeCmmSize, (100u - 18 - 10) * 1024);
  EXPECT_EQ(first.pciBusID, 1u);
  EXPECT_EQ(first.npuLoading, 0u);
  EXPECT_GE(first.temperature, 30'000);
  EXPECT_LE(first.temperature, 90'000);
  EXPECT_LT(first.freeMemSize, first.totalMemSize);
  EXPECT_NE(std::string(first.swVersion).find("3.10.2"), std::string::npos);

  {
    const Books::NpuTurn turn(*session->books);
  }
  axclrtDeviceProperties again{};
  ASSERT_EQ(driver_.ReadProperties(1, &again), AXCL_SUCC);
  EXPECT_EQ(again.uid, first.uid);
  axclrtDeviceProperties second{};
  ASSERT_EQ(driver_.ReadProperties(7, &second), AXCL_SUCC);
  EXPECT_NE(second.uid, first.uid);
  EXPECT_EQ(second.totalCmmSize, 200u * 1024);
  EXPECT_EQ(driver_.ReadProperties(3, &second), static_cast<axclError>(0x80300184));
}

TEST_F(DriverTest, AfterARebootOneSetsTheDeviceAgain) {
  ASSERT_EQ(driver_.Init(""), AXCL_SUCC);
  EXPECT_EQ(driver_.Reboot(9), static_cast<axclError>(0x80300184));
  ASSERT_EQ(driver_.SetDevice(1), AXCL_SUCC);
  const auto old_session = driver_.CurrentContext()->session;
  ASSERT_TRUE(old_session->books->Take(1 << 20));
  ASSERT_EQ(driver_.Reboot(1), AXCL_SUCC);
  EXPECT_FALSE(driver_.CurrentContext()->session->IsUsable());
  void* handle = nullptr;
  EXPECT_EQ(driver_.GetDefaultContext(1, &handle), static_cast<axclError>(0x80300183));
  ASSERT_EQ(driver_.SetDevice(1), AXCL_SUCC);
  EXPECT_TRUE(driver_.CurrentContext()->session->IsUsable());
  EXPECT_FALSE(old_session->IsUsable());
  EXPECT_EQ(old_session->books->used_bytes(), kBaselineBytes);
  EXPECT_EQ(driver_.ResetDevice(1), AXCL_SUCC);
  EXPECT_EQ(driver_.ResetDevice(1), static_cast<axclError>(0x80300183));
}

}  // namespace
}  // namespace axsim::card
