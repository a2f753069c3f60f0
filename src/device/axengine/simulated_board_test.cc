// The on-board backend against the simulated board's libraries, opened at run time as the vendor's
// are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <string>
#include <thread>

#include "device/device.h"
#include "sim/entry/test_models.h"

namespace axollama::device {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SimulatedBoard : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ax-board-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    setenv("AXSIM_STATE", (folder_ / "state").c_str(), 1);
    setenv("AXSIM_ISA", "scalar", 1);
    setenv("AXSIM_THREADS", "1", 1);
    setenv("AXOLLAMA_AX_SYS_LIB", SIMULATED_AX_SYS, 1);
    setenv("AXOLLAMA_AX_ENGINE_LIB", SIMULATED_AX_ENGINE, 1);
    for (const char* unset : {"AXSIM_CONFIG", "AXOLLAMA_AXCL_LIB"}) unsetenv(unset);
  }
  void TearDown() override {
    for (const char* name : {"AXSIM_STATE", "AXSIM_ISA", "AXSIM_THREADS", "AXSIM_CONFIG",
                             "AXOLLAMA_AX_SYS_LIB", "AXOLLAMA_AX_ENGINE_LIB"}) {
      unsetenv(name);
    }
    std::filesystem::remove_all(folder_);
  }
  void Configure(const char* json) {
    std::ofstream(folder_ / "sim.json") << json;
    setenv("AXSIM_CONFIG", (folder_ / "sim.json").c_str(), 1);
  }
  static std::unique_ptr<Device> Opened() {
    auto device = Device::Open({.backend = Backend::kAxengine});
    EXPECT_TRUE(device) << device.error().message;
    return device ? std::move(*device) : nullptr;
  }
  static std::unique_ptr<Device> Bound() {
    auto device = Opened();
    const Status bound = device->BindThread();
    EXPECT_TRUE(bound) << bound.error().message;
    return device;
  }
  static Error Refusal(Device::Options options = {.backend = Backend::kAxengine}) {
    auto device = Device::Open(options);
    return device ? Error{ErrorKind::kInternal, "(opened)"} : device.error();
  }
  static uint64_t FreeBytes(Device& device) {
    const auto properties = device.ReadProperties(0);
    EXPECT_TRUE(properties) << properties.error().message;
    return properties->cmm_free_bytes;
  }

  std::filesystem::path folder_;
};

TEST_F(SimulatedBoard, IsCalledSimAndHasOneCard) {
  const auto device = Opened();
  EXPECT_EQ(device->backend(), Backend::kSim);
  EXPECT_EQ(device->library(), SIMULATED_AX_ENGINE);
  EXPECT_THAT(std::string(device->library_version()), HasSubstr("axollama-sim"));
  EXPECT_EQ(device->card().id, 0);
  const auto cards = device->ListCards();
  ASSERT_TRUE(cards);
  EXPECT_EQ(cards->size(), 1u);
  EXPECT_EQ(Refusal({.backend = Backend::kAxengine, .id = 1}).kind, ErrorKind::kNotFound);
}

// The warden asks without starting the engine.
TEST_F(SimulatedBoard, TellsItsMemoryAndWhatItKnows) {
  const auto device = Opened();
  const auto properties = device->ReadProperties(0);
  ASSERT_TRUE(properties) << properties.error().message;
  EXPECT_EQ(properties->cmm_total_bytes, uint64_t{7040} << 20);
  EXPECT_EQ(properties->cmm_free_bytes, uint64_t{7022} << 20);
  EXPECT_NE(properties->uid, 0u);
  EXPECT_EQ(device->card().uid, properties->uid);
  EXPECT_EQ(properties->pci, "on-board");
  EXPECT_EQ(properties->temperature_c, std::nullopt);
  EXPECT_FALSE(device->ReadProperties(1));
  const Status reboot = device->Reboot(0);
  ASSERT_FALSE(reboot);
  EXPECT_EQ(reboot.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(reboot.error().message, HasSubstr("restart the machine"));
  EXPECT_EQ(device->CreateQueue().error().kind, ErrorKind::kUnavailable);
}

TEST_F(SimulatedBoard, MovesBytes) {
  const auto device = Bound();
  const uint64_t free_bytes = FreeBytes(*device);
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
  EXPECT_TRUE(device->CopyUp(*a, {}));
  // Outside of a block, and where no block is.
  EXPECT_EQ(device->CopyUp(*a + 56, up).error().kind, ErrorKind::kInternal);
  EXPECT_THAT(device->CopyDown(down, {4096}).error().message, HasSubstr("0x1000"));
  EXPECT_FALSE(device->CopyOnDevice(*a, *b + 60, 8));
  EXPECT_FALSE(device->Fill(*a, 0, 65));
  EXPECT_FALSE(device->Free(*b + 8));
  EXPECT_TRUE(device->Free(*a));
  EXPECT_TRUE(device->Free(*b));
  EXPECT_FALSE(device->Free(*b));
  EXPECT_EQ(FreeBytes(*device), free_bytes);
}

TEST_F(SimulatedBoard, WhatIsLeftOverIsFreed) {
  const auto watcher = Opened();
  const uint64_t free_bytes = FreeBytes(*watcher);
  {
    const auto device = Bound();
    ASSERT_TRUE(device->Allocate(uint64_t{8} << 20));
    EXPECT_EQ(FreeBytes(*watcher), free_bytes - (uint64_t{8} << 20));
  }
  EXPECT_EQ(FreeBytes(*watcher), free_bytes);
}

TEST_F(SimulatedBoard, AFullBoardSaysHowMuchWasWanted) {
  Configure(R"({"cards":[{"id":1,"cmm_mib":64}]})");
  const auto device = Bound();
  const auto full = device->Allocate(uint64_t{128} << 20);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().kind, ErrorKind::kNoMemory);
  EXPECT_THAT(full.error().message, AllOf(HasSubstr("134217728 bytes"), HasSubstr("0x800B0018")));
  EXPECT_EQ(device->Allocate(uint64_t{1} << 32).error().kind, ErrorKind::kNoMemory);
}

TEST_F(SimulatedBoard, RunsALayerInEachOfItsGroups) {
  axsim::entry::WriteLayerModel(folder_ / "layer.axmodel");
  const auto device = Bound();
  auto model = device->Load(folder_ / "layer.axmodel");
  ASSERT_TRUE(model) << model.error().message;
  std::filesystem::remove(folder_ / "layer.axmodel");  // not needed any more
  const auto& groups = (*model)->groups();
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_NE((*model)->compiler_version(), "");
  for (uint32_t group = 0; group < groups.size(); ++group) {
    const auto io = (*model)->CreateIo();
    ASSERT_TRUE(io);
    std::vector<std::byte> row;
    Address output;
    for (uint32_t i = 0; i < groups[group].inputs.size(); ++i) {
      const TensorInfo& tensor = groups[group].inputs[i];
      const auto address = device->Allocate(tensor.size_bytes);
      ASSERT_TRUE(address);
      ASSERT_TRUE(device->Fill(*address, 0, tensor.size_bytes));
      if (tensor.name == "input") {
        EXPECT_EQ(tensor.type, DataType::kBf16);
        row.assign(tensor.size_bytes, std::byte{0x3f});  // 0x3f3f is 0.746
        ASSERT_TRUE(device->CopyUp(*address, row));
      }
      ASSERT_TRUE((*io)->BindInput(i, *address, tensor.size_bytes));
    }
    EXPECT_EQ((*model)->Execute(group, **io).error().kind, ErrorKind::kDevice);  // outputs unbound
    for (uint32_t i = 0; i < groups[group].outputs.size(); ++i) {
      const TensorInfo& tensor = groups[group].outputs[i];
      const auto address = device->Allocate(tensor.size_bytes);
      ASSERT_TRUE(address);
      if (tensor.name == "output") output = *address;
      ASSERT_TRUE((*io)->BindOutput(i, *address, tensor.size_bytes));
    }
    EXPECT_FALSE((*io)->BindInput(99, output, 2));
    EXPECT_FALSE((*io)->BindInput(0, {12}, 2));
    const Status ran = (*model)->Execute(group, **io);
    ASSERT_TRUE(ran) << ran.error().message;
    std::vector<std::byte> down(row.size());
    ASSERT_TRUE(device->CopyDown(down, output));
    EXPECT_EQ(down, row);  // this layer adds nothing to what comes in
  }
}

TEST_F(SimulatedBoard, AFileThatIsNoModelIsRefused) {
  const auto device = Bound();
  const auto missing = device->Load(folder_ / "none.axmodel");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("none.axmodel"));
  std::ofstream(folder_ / "bad.axmodel") << "no model";
  const auto bad = device->Load(folder_ / "bad.axmodel");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, AllOf(HasSubstr("AX_ENGINE_CreateHandleV2"),
                                         HasSubstr("bad.axmodel"), HasSubstr("damaged")));
  std::ofstream(folder_ / "empty.axmodel").flush();
  EXPECT_EQ(device->Load(folder_ / "empty.axmodel").error().kind, ErrorKind::kInvalid);
}

TEST_F(SimulatedBoard, ABoardThatDoesNotStart) {
  Configure(R"({"cards":[]})");
  const Error error = Refusal();
  EXPECT_EQ(error.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(error.message, AllOf(HasSubstr("AX_SYS_Init"), HasSubstr("0x800B0010")));
}

TEST_F(SimulatedBoard, LibrariesThatAreNotThereOrNotWhole) {
  setenv("AXOLLAMA_AX_ENGINE_LIB", "/nonexistent/libax_engine.so", 1);
  EXPECT_THAT(Refusal().message, AllOf(HasSubstr("AXOLLAMA_AX_ENGINE_LIB"),
                                       HasSubstr("/nonexistent/libax_engine.so")));
  setenv("AXOLLAMA_AX_SYS_LIB", "/nonexistent/libax_sys.so", 1);
  EXPECT_THAT(Refusal().message,
              AllOf(HasSubstr("AXOLLAMA_AX_SYS_LIB"), HasSubstr("/nonexistent/libax_sys.so")));
  setenv("AXOLLAMA_AX_ENGINE_LIB", PARTIAL_AXENGINE, 1);
  setenv("AXOLLAMA_AX_SYS_LIB", PARTIAL_AXENGINE, 1);
  const Error error = Refusal();
  EXPECT_EQ(error.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(error.message, HasSubstr("AX_SYS_MemFree"));
}

// A model of the vendor's compiler: a card if there is one, else the SoC. Here neither starts, and
// the error tells which came last.
TEST_F(SimulatedBoard, TheSocIsTriedWhereThereIsNoCard) {
  Configure(R"({"cards":[]})");
  EXPECT_THAT(Refusal(Device::Options{}).message, HasSubstr("AX_SYS_Init"));
  // What was asked for by name is what counts, or what failed.
  EXPECT_THAT(Refusal({.backend = Backend::kAxcl}).message, Not(HasSubstr("AX_SYS_Init")));
  setenv("AXOLLAMA_AXCL_LIB", SIMULATED_AXCL, 1);
  EXPECT_THAT(Refusal(Device::Options{}).message, HasSubstr("axclInit"));
  // Where this is no board either, the card's error is the one that helps.
  unsetenv("AXOLLAMA_AXCL_LIB");
  setenv("AXOLLAMA_AX_ENGINE_LIB", "/nonexistent/libax_engine.so", 1);
  EXPECT_THAT(Refusal(Device::Options{}).message, Not(HasSubstr("/nonexistent")));
}

}  // namespace
}  // namespace axollama::device
