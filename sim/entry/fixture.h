// For the tests of this room: the built library behind dlopen, a state folder per test, and a
// second process that holds memory of the card.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "abi/axcl.h"
#include "sim/entry/test_models.h"

namespace axsim::entry {

constexpr uint64_t kMiB = 1ull << 20;
constexpr axclError Code(uint32_t code) { return static_cast<axclError>(code); }

inline void* Library() {
  static void* library = dlopen(AXCL_RT_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  return library;
}

// The address of a function of the library; a test that calls nullptr crashes, so this aborts.
template <typename Function>
Function Lookup(const char* name) {
  void* symbol = Library() == nullptr ? nullptr : dlsym(Library(), name);
  if (symbol == nullptr) {
    fprintf(stderr, "%s has no %s\n", AXCL_RT_LIBRARY, name);
    abort();
  }
  return reinterpret_cast<Function>(symbol);
}

// AX(axclInit)(nullptr) calls the library's axclInit.
#define AX(name) (::axsim::entry::Lookup<decltype(&::name)>(#name))

// A running card_holder.
class Holder {
 public:
  explicit Holder(uint64_t mib) {
    int to_child[2];
    int from_child[2];
    if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) abort();
    // Where a standard stream is closed a pipe gets its number, and dup2 would leave it to be
    // closed by exec.
    for (int* const end : {&to_child[0], &to_child[1], &from_child[0], &from_child[1]}) {
      if (*end > STDERR_FILENO) continue;
      const int higher = fcntl(*end, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
      close(*end);
      *end = higher;
    }
    pid_ = fork();
    if (pid_ == 0) {
      dup2(to_child[0], 0);
      dup2(from_child[1], 1);
      execl(CARD_HOLDER, "card_holder", AXCL_RT_LIBRARY, std::to_string(mib).c_str(), nullptr);
      _exit(127);
    }
    close(to_child[0]);
    close(from_child[1]);
    to_ = fdopen(to_child[1], "w");
    from_ = fdopen(from_child[0], "r");
    started_ = ReadLine() == "ready";
  }
  ~Holder() {
    Kill();
    fclose(to_);
    fclose(from_);
  }
  // False: it could not take the memory, and has ended.
  bool started() const { return started_; }
  void Send(const char* line) {
    fprintf(to_, "%s\n", line);
    fflush(to_);
  }
  axclError Ask(const char* line) {
    Send(line);
    return Code(static_cast<uint32_t>(std::strtoul(ReadLine().c_str(), nullptr, 16)));
  }
  // The exit code; -1: it was killed.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  void Kill() {
    if (pid_ <= 0) return;  // kill would take -1 for everybody
    kill(pid_, SIGKILL);
    Wait();
  }

 private:
  std::string ReadLine() {
    char line[64] = "";
    if (fgets(line, sizeof(line), from_) == nullptr) return "";
    line[std::strcspn(line, "\n")] = '\0';
    return line;
  }
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
  bool started_ = false;
};

// Each test has a state folder of its own and a clean environment.
class EntryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/axsim-entry-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    setenv("AXSIM_STATE", (folder_ / "state").c_str(), 1);
    setenv("AXSIM_ISA", "scalar", 1);
    setenv("AXSIM_THREADS", "2", 1);
    unsetenv("AXSIM_CONFIG");
    unsetenv("AXSIM_PROFILE");
  }
  void TearDown() override {
    while (AX(axclFinalize)() == AXCL_SUCC) {
    }
    std::filesystem::remove_all(folder_);
  }

  // Initialises, binds the thread to the first card and starts the engine.
  void Open(const char* config = nullptr) {
    ASSERT_EQ(AX(axclInit)(config), AXCL_SUCC);
    axclrtDeviceList list{};
    ASSERT_EQ(AX(axclrtGetDeviceList)(&list), AXCL_SUCC);
    ASSERT_GE(list.num, 1u);
    card_ = list.devices[0];
    ASSERT_EQ(AX(axclrtSetDevice)(card_), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtEngineInit)(AXCL_VNPU_DISABLE), AXCL_SUCC);
  }
  // The card's free memory; binds the thread again, which asking unbinds.
  uint64_t FreeKb() {
    axclrtDeviceProperties properties{};
    EXPECT_EQ(AX(axclrtGetDeviceProperties)(card_, &properties), AXCL_SUCC);
    void* context = nullptr;
    if (AX(axclrtGetDefaultContext)(&context, card_) == AXCL_SUCC) {
      EXPECT_EQ(AX(axclrtSetCurrentContext)(context), AXCL_SUCC);
    }
    return properties.freeCmmSize;
  }
  void* Malloc(size_t size) {
    void* device = nullptr;
    EXPECT_EQ(AX(axclrtMalloc)(&device, size, AXCL_MEM_MALLOC_HUGE_FIRST), AXCL_SUCC);
    return device;
  }
  static char* At(void* device, uint64_t offset) { return static_cast<char*>(device) + offset; }
  void Up(void* device, const Bf16s& values) {
    ASSERT_EQ(
        AX(axclrtMemcpy)(device, values.data(), values.size() * 2, AXCL_MEMCPY_HOST_TO_DEVICE),
        AXCL_SUCC);
  }
  Bf16s Down(const void* device, size_t count) {
    Bf16s values(count);
    EXPECT_EQ(AX(axclrtMemcpy)(values.data(), device, count * 2, AXCL_MEMCPY_DEVICE_TO_HOST),
              AXCL_SUCC);
    return values;
  }

  std::filesystem::path folder_;
  int32_t card_ = 0;
};

}  // namespace axsim::entry
