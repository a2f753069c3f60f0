// For the tests of this room: the built libraries behind dlopen, and a state folder per test.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "abi/ax_engine.h"
#include "abi/ax_sys.h"
#include "base/file.h"
#include "sim/entry/test_models.h"

namespace axsim::onboard {

// The address of a function; a test that calls nullptr crashes, so this aborts.
template <typename Function>
Function Lookup(const char* path, const char* name) {
  void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* const symbol = library == nullptr ? nullptr : dlsym(library, name);
  if (symbol == nullptr) {
    fprintf(stderr, "%s has no %s\n", path, name);
    abort();
  }
  return reinterpret_cast<Function>(symbol);
}

#define SYS(name) (Lookup<decltype(&::AX_SYS_##name)>(AX_SYS_LIBRARY, "AX_SYS_" #name))
#define ENGINE(name) (Lookup<decltype(&::AX_ENGINE_##name)>(AX_ENGINE_LIBRARY, "AX_ENGINE_" #name))

struct Block {
  uint64_t physical = 0;
  void* virt = nullptr;
};

class OnboardTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/axsim-onboard-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    setenv("AXSIM_STATE", (folder_ / "state").c_str(), 1);
    setenv("AXSIM_ISA", "scalar", 1);
    setenv("AXSIM_THREADS", "2", 1);
    for (const char* name : {"AXSIM_CONFIG", "AXSIM_PROFILE"}) unsetenv(name);
  }
  void TearDown() override {
    while (SYS(Deinit)() == 0) {
    }
    std::filesystem::remove_all(folder_);
  }
  void Configure(const char* json) {
    const auto path = folder_ / "board.json";
    FILE* file = fopen(path.c_str(), "w");
    fputs(json, file);
    fclose(file);
    setenv("AXSIM_CONFIG", path.c_str(), 1);
  }
  void Open() {
    ASSERT_EQ(SYS(Init)(), 0);
    AX_ENGINE_NPU_ATTR_T attributes{};
    ASSERT_EQ(ENGINE(Init)(&attributes), 0);
  }
  static Block Alloc(uint32_t size) {
    Block block;
    EXPECT_EQ(SYS(MemAllocCached)(&block.physical, &block.virt, size, 128,
                                  reinterpret_cast<const int8_t*>("npu")),
              0);
    return block;
  }
  static uint32_t RemainKb() {
    AX_CMM_STATUS_T status{};
    EXPECT_EQ(SYS(MemQueryStatus)(&status), 0);
    return status.RemainSize;
  }
  AX_ENGINE_HANDLE Load(const char* name) {
    auto content = axollama::ReadFile(folder_ / name);
    EXPECT_TRUE(content);
    AX_ENGINE_HANDLE handle = nullptr;
    EXPECT_EQ(
        ENGINE(CreateHandle)(&handle, content->data(), static_cast<uint32_t>(content->size())), 0);
    content->assign(content->size(), 'x');  // not needed any more
    return handle;
  }

  std::filesystem::path folder_;
};

}  // namespace axsim::onboard
