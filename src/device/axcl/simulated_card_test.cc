// The AXCL backend against the simulated card's library, opened at run time as the vendor's is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "device/device.h"

namespace axollama::device {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class SimulatedCard : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ax-device-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    setenv("AXSIM_STATE", (folder_ / "state").c_str(), 1);
    setenv("AXOLLAMA_AXCL_LIB", SIMULATED_AXCL, 1);
    unsetenv("AXSIM_CONFIG");
  }
  void TearDown() override {
    for (const char* name : {"AXSIM_STATE", "AXOLLAMA_AXCL_LIB", "AXSIM_CONFIG"}) unsetenv(name);
    std::filesystem::remove_all(folder_);
  }
  void Configure(const char* json) {
    std::ofstream(folder_ / "sim.json") << json;
    setenv("AXSIM_CONFIG", (folder_ / "sim.json").c_str(), 1);
  }
  static std::unique_ptr<Device> Opened(Device::Options options = {}) {
    auto device = Device::Open(options);
    EXPECT_TRUE(device) << device.error().message;
    return device ? std::move(*device) : nullptr;
  }
  static Error Refusal(Device::Options options = {}) {
    auto device = Device::Open(options);
    return device ? Error{ErrorKind::kInternal, "(opened)"} : device.error();
  }

  std::filesystem::path folder_;
};

TEST_F(SimulatedCard, IsCalledSimWhateverWasAskedFor) {
  const auto device = Opened({.backend = Backend::kAxcl});
  EXPECT_EQ(device->backend(), Backend::kSim);
  EXPECT_EQ(device->library(), SIMULATED_AXCL);
  const auto cards = device->ListCards();
  ASSERT_TRUE(cards);
  ASSERT_EQ(cards->size(), 1u);
  EXPECT_EQ(cards->front().id, device->card().id);
}

TEST_F(SimulatedCard, PropertiesUnbindAndBindThreadBindsAgain) {
  const auto device = Opened();
  ASSERT_TRUE(device->BindThread());
  const auto properties = device->ReadProperties(device->card().id);
  ASSERT_TRUE(properties) << properties.error().message;
  EXPECT_EQ(properties->cmm_total_bytes, uint64_t{7040} << 20);
  EXPECT_GT(properties->cmm_free_bytes, uint64_t{6900} << 20);
  EXPECT_LE(properties->cmm_free_bytes, properties->cmm_total_bytes);
  EXPECT_NE(properties->uid, 0u);
  EXPECT_EQ(device->card().uid, properties->uid);
  EXPECT_EQ(properties->pci, "0000:01:00.0");
  EXPECT_GT(properties->temperature_c, 10);
  EXPECT_LT(properties->temperature_c, 120);
  const auto unbound = device->Allocate(4096);
  ASSERT_FALSE(unbound);
  EXPECT_THAT(unbound.error().message, HasSubstr("axclrtMalloc failed"));
  ASSERT_TRUE(device->BindThread());
  const auto bound = device->Allocate(4096);
  ASSERT_TRUE(bound) << bound.error().message;
  EXPECT_TRUE(device->Free(*bound));
}

TEST_F(SimulatedCard, MovesBytes) {
  const auto device = Opened();
  ASSERT_TRUE(device->BindThread());
  const auto a = device->Allocate(64);
  const auto b = device->Allocate(64);
  ASSERT_TRUE(a && b);
  std::vector<std::byte> up(16), down(16);
  for (size_t i = 0; i < up.size(); ++i) up[i] = static_cast<std::byte>(i);
  ASSERT_TRUE(device->Fill(*b, 0x55, 64));
  ASSERT_TRUE(device->CopyUp(*a, up));
  ASSERT_TRUE(device->CopyOnDevice(*b + 8, *a, 16));
  ASSERT_TRUE(device->CopyDown(down, *b + 8));
  EXPECT_EQ(down, up);
  ASSERT_TRUE(device->CopyDown(std::span(down).first(1), *b + 7));
  EXPECT_EQ(down[0], std::byte{0x55});
  EXPECT_TRUE(device->Free(*a));
  const Status interior = device->Free(*b + 8);
  ASSERT_FALSE(interior);
  EXPECT_THAT(interior.error().message, HasSubstr("axclrtFree failed with 0x80300581"));
  EXPECT_TRUE(device->Free(*b));
}

TEST_F(SimulatedCard, AQueueKeepsTheOrderOfTheCalls) {
  const auto device = Opened();
  EXPECT_THAT(std::string(device->library_version()), HasSubstr("libaxcl_rt.so"));
  ASSERT_TRUE(device->BindThread());
  const auto a = device->Allocate(64);
  const auto b = device->Allocate(64);
  ASSERT_TRUE(a && b);
  std::vector<std::byte> up(16), first(16), second(16);
  for (size_t i = 0; i < up.size(); ++i) up[i] = static_cast<std::byte>(i);
  {
    auto queue = device->CreateQueue();
    ASSERT_TRUE(queue) << queue.error().message;
    ASSERT_TRUE((*queue)->Wait(std::chrono::minutes(1))) << "nothing is queued";
    ASSERT_TRUE((*queue)->CopyUp(*a, up));
    ASSERT_TRUE((*queue)->CopyOnDevice(*b + 8, *a, 16));
    ASSERT_TRUE((*queue)->CopyDown(first, *b + 8));
    ASSERT_TRUE((*queue)->Fill(*b, 0x55, 16));
    ASSERT_TRUE((*queue)->CopyDown(second, *b + 8));
    ASSERT_TRUE((*queue)->Wait(std::chrono::minutes(1)));
    EXPECT_EQ(first, up);
    EXPECT_EQ(second[7], std::byte{0x55});
    EXPECT_EQ(second[8], up[8]);
    // What is queued when the queue ends is still done.
    ASSERT_TRUE((*queue)->Fill(*a, 0x77, 64));
  }
  ASSERT_TRUE(device->CopyDown(std::span(first).first(1), *a + 63));
  EXPECT_EQ(first[0], std::byte{0x77});
  // As on the card: what is wrong with queued work is not told.
  auto queue = device->CreateQueue();
  ASSERT_TRUE(queue);
  EXPECT_TRUE((*queue)->Fill(*a + 60, 0x11, 64));
  EXPECT_TRUE((*queue)->Wait(std::chrono::minutes(1)));
  queue->reset();
  EXPECT_TRUE(device->Free(*a));
  EXPECT_TRUE(device->Free(*b));
}

TEST_F(SimulatedCard, AQueueNeedsABoundThread) {
  const auto device = Opened();
  const auto queue = device->CreateQueue();
  ASSERT_FALSE(queue);
  EXPECT_THAT(queue.error().message, HasSubstr("axclrtCreateStream failed"));
}

TEST_F(SimulatedCard, AnotherThreadBinds) {
  const auto device = Opened();
  ASSERT_TRUE(device->BindThread());
  std::thread([&] {
    ASSERT_TRUE(device->BindThread());
    const auto address = device->Allocate(64);
    ASSERT_TRUE(address) << address.error().message;
    EXPECT_TRUE(device->Free(*address));
  }).join();
}

TEST_F(SimulatedCard, AFullCardSaysHowMuchWasWanted) {
  Configure(R"({"cards":[{"id":1,"cmm_mib":64}]})");
  const auto device = Opened();
  ASSERT_TRUE(device->BindThread());
  const auto address = device->Allocate(uint64_t{128} << 20);
  ASSERT_FALSE(address);
  EXPECT_EQ(address.error().kind, ErrorKind::kNoMemory);
  EXPECT_THAT(address.error().message,
              AllOf(HasSubstr("134217728 bytes"), HasSubstr("0x8030050C"), HasSubstr("CMM")));
}

TEST_F(SimulatedCard, NoDriverAndNoCard) {
  Configure(R"({"init_error":"0x8030010B"})");
  Error error = Refusal();
  EXPECT_EQ(error.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(error.message, AllOf(HasSubstr("axclInit"), HasSubstr("0x8030010B"),
                                   HasSubstr("driver is not loaded")));
  Configure(R"({"cards":[]})");
  error = Refusal();
  EXPECT_EQ(error.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(error.message, AllOf(HasSubstr("0x80300181"), HasSubstr("finds no card")));
}

TEST_F(SimulatedCard, CardsAreChosenById) {
  Configure(R"({"cards":[{"id":3},{"id":129}]})");
  EXPECT_EQ(Opened()->card().id, 3);
  EXPECT_EQ(Opened({.id = 129})->card().id, 129);
  const Error error = Refusal({.id = 0});
  EXPECT_EQ(error.kind, ErrorKind::kNotFound);
  EXPECT_THAT(error.message, AllOf(HasSubstr("id 0"), HasSubstr("3, 129")));
}

TEST_F(SimulatedCard, ARebootGivesTheMemoryBack) {
  const auto device = Opened();
  ASSERT_TRUE(device->BindThread());
  const int32_t id = device->card().id;
  const auto before = device->ReadProperties(id);
  ASSERT_TRUE(before);
  ASSERT_TRUE(device->BindThread());
  ASSERT_TRUE(device->Allocate(uint64_t{64} << 20));
  const auto taken = device->ReadProperties(id);
  ASSERT_TRUE(taken);
  EXPECT_LE(taken->cmm_free_bytes + (uint64_t{64} << 20), before->cmm_free_bytes);
  const Status reboot = device->Reboot(id);
  ASSERT_TRUE(reboot) << reboot.error().message;
  const auto after = Opened()->ReadProperties(id);
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_GE(after->cmm_free_bytes, before->cmm_free_bytes);
}

TEST_F(SimulatedCard, AFileThatIsNoModelIsRefused) {
  const auto device = Opened();
  ASSERT_TRUE(device->BindThread());
  const auto missing = device->Load(folder_ / "none.axmodel");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message,
              AllOf(HasSubstr("axclrtEngineLoadFromFile"), HasSubstr("none.axmodel")));
  std::ofstream(folder_ / "bad.axmodel") << "no model";
  const auto bad = device->Load(folder_ / "bad.axmodel");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, AllOf(HasSubstr("bad.axmodel"), HasSubstr("damaged")));
}

}  // namespace
}  // namespace axollama::device
