#include "device/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "device/library.h"

namespace axollama::device {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override { unsetenv("AXOLLAMA_AXCL_LIB"); }
  void TearDown() override { unsetenv("AXOLLAMA_AXCL_LIB"); }

  static Error Refusal(const Device::Options& options) {
    auto device = Device::Open(options);
    return device ? Error{ErrorKind::kInternal, "(opened)"} : device.error();
  }
};

TEST_F(DeviceTest, BackendNames) {
  EXPECT_EQ(ParseBackend(""), Backend::kAuto);
  EXPECT_EQ(ParseBackend("axcl"), Backend::kAxcl);
  EXPECT_EQ(ParseBackend("sim"), Backend::kSim);
  EXPECT_EQ(ParseBackend("axengine"), Backend::kAxengine);
  EXPECT_THAT(ParseBackend("cuda").error().message, AllOf(HasSubstr("\"cuda\""), HasSubstr("axcl"),
                                                          HasSubstr("axengine"), HasSubstr("sim")));
  EXPECT_EQ(BackendName(Backend::kAxengine), "axengine");
  EXPECT_EQ(BackendName(Backend::kSim), "sim");
  EXPECT_EQ(BackendName(Backend::kAxcl), "axcl");
}

TEST_F(DeviceTest, TheBundleDecidesAuto) {
  EXPECT_EQ(ChooseBackend(Backend::kAuto, true), Backend::kSim);
  EXPECT_EQ(ChooseBackend(Backend::kAuto, false), Backend::kAxcl);
  EXPECT_EQ(ChooseBackend(Backend::kAxcl, true), Backend::kAxcl);
  EXPECT_EQ(ChooseBackend(Backend::kAxengine, false), Backend::kAxengine);
  EXPECT_EQ(ChooseBackend(Backend::kSim, false), Backend::kSim);
}

TEST_F(DeviceTest, FilesForTheOtherSideAreRefused) {
  EXPECT_TRUE(CheckFits(Backend::kSim, true));
  const Status npu_file = CheckFits(Backend::kSim, false);
  ASSERT_FALSE(npu_file);
  EXPECT_EQ(npu_file.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(npu_file.error().message,
              AllOf(HasSubstr("compiled for the NPU"), HasSubstr("axollama sim build")));
  for (const Backend real : {Backend::kAxcl, Backend::kAxengine}) {
    EXPECT_TRUE(CheckFits(real, false));
    const Error sim_file = Refusal({.backend = real, .simulator_bundle = true});
    EXPECT_EQ(sim_file.kind, ErrorKind::kInvalid);
    EXPECT_THAT(sim_file.message,
                AllOf(HasSubstr("built for the simulated card"), HasSubstr("pulsar2")));
  }
}

TEST_F(DeviceTest, LibraryCandidates) {
  EXPECT_THAT(LibraryCandidates(Backend::kAxcl),
              ElementsAre("libaxcl_rt.so", "/usr/lib/axcl/libaxcl_rt.so"));
  EXPECT_THAT(LibraryCandidates(Backend::kSim),
              ElementsAre(::testing::EndsWith("/sim/libaxcl_rt.so"),
                          ::testing::EndsWith("/lib/axollama/libaxcl_rt.so")));
  setenv("AXOLLAMA_AXCL_LIB", "/x/y.so", 1);
  EXPECT_THAT(LibraryCandidates(Backend::kSim), ElementsAre("/x/y.so"));
  setenv("AXOLLAMA_AXCL_LIB", "", 1);
  EXPECT_EQ(LibraryCandidates(Backend::kSim).size(), 2u);
}

TEST_F(DeviceTest, AMissingLibraryIsAnErrorThatHelps) {
  setenv("AXOLLAMA_AXCL_LIB", "/nonexistent/libaxcl_rt.so", 1);
  const Error error = Refusal({.backend = Backend::kAxcl});
  EXPECT_EQ(error.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(error.message,
              AllOf(HasSubstr("/nonexistent/libaxcl_rt.so"), HasSubstr("AXOLLAMA_AXCL_LIB")));
  unsetenv("AXOLLAMA_AXCL_LIB");
  const Error no_card = NoLibrary(Backend::kAxcl, "not found");
  EXPECT_EQ(no_card.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(no_card.message, AllOf(HasSubstr("axclhost"), HasSubstr("axollama sim build")));
}

TEST_F(DeviceTest, AMissingRequiredFunctionIsNamed) {
  setenv("AXOLLAMA_AXCL_LIB", PARTIAL_AXCL, 1);
  const Error error = Refusal({});
  EXPECT_EQ(error.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(error.message, AllOf(HasSubstr(PARTIAL_AXCL), HasSubstr("axclrtSetDevice")));
}

}  // namespace
}  // namespace axollama::device
