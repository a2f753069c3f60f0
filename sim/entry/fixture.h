// For the tests of this room: the built library behind dlopen, a state folder per test, small
// model files, and a second process that holds memory of the card.
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
#include "base/bf16.h"
#include "sim/container/axmodel.h"

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

using Bf16s = std::vector<uint16_t>;

inline Bf16s ToBf16(const std::vector<float>& values) {
  Bf16s out;
  for (const float value : values) out.push_back(axollama::FloatToBf16(value));
  return out;
}
inline std::vector<float> ToFloats(const Bf16s& values) {
  std::vector<float> out;
  for (const uint16_t value : values) out.push_back(axollama::Bf16ToFloat(value));
  return out;
}

// A post model: logits[r] = (r + 1) * sum of the normalised row.
inline void WritePostModel(const std::filesystem::path& path, uint32_t hidden, uint32_t vocab) {
  spec::Program program;
  program.kind = spec::Kind::kPost;
  program.weights = spec::WeightType::kBf16;
  program.hidden = hidden;
  program.vocab = vocab;
  auto writer = container::Writer::Create(path, program, container::PostGroups(program));
  ASSERT_TRUE(writer) << writer.error().message;
  const std::vector<float> norm(hidden, 1.0f);
  ASSERT_TRUE(
      writer->Add("norm", container::DataType::kFp32, {hidden}, std::as_bytes(std::span(norm))));
  Bf16s head;
  for (uint32_t row = 0; row < vocab; ++row) {
    head.insert(head.end(), hidden, axollama::FloatToBf16(static_cast<float>(row + 1)));
  }
  ASSERT_TRUE(writer->Add("head", container::DataType::kBf16, {vocab, hidden},
                          std::as_bytes(std::span(head))));
  const auto finished = writer->Finish();
  ASSERT_TRUE(finished) << finished.error().message;
}

// Sizes of the layer model below.
constexpr uint32_t kHidden = 32;
constexpr uint32_t kHeadDim = 16;  // one KV head
constexpr uint32_t kRows = 7;      // KV rows of the decode group
constexpr uint32_t kChunk = 4;

// A layer whose branches add nothing (o and down are zero): output = input, and V_cache_out[d] =
// the d-th value of the normalised row.
inline void WriteLayerModel(const std::filesystem::path& path) {
  spec::Program program;
  program.weights = spec::WeightType::kBf16;
  program.hidden = kHidden;
  program.heads = 2;
  program.kv_heads = 1;
  program.head_dim = kHeadDim;
  program.ffn = kHidden;
  program.context = kRows + 1;
  program.rope_dims = kHeadDim;
  program.attention_scale = 0.25f;
  auto writer = container::Writer::Create(
      path, program, container::LayerGroups(program, kRows, kChunk, {0, kChunk}));
  ASSERT_TRUE(writer) << writer.error().message;
  const std::vector<float> norm(kHidden, 1.0f);
  for (const char* name : {"attn_norm", "ffn_norm"}) {
    ASSERT_TRUE(
        writer->Add(name, container::DataType::kFp32, {kHidden}, std::as_bytes(std::span(norm))));
  }
  const auto add = [&writer](const char* name, uint32_t rows, bool identity) {
    Bf16s matrix(size_t{rows} * kHidden, 0);
    for (uint32_t i = 0; identity && i < rows; ++i) {
      matrix[size_t{i} * kHidden + i] = axollama::FloatToBf16(1.0f);
    }
    const auto added = writer->Add(name, container::DataType::kBf16, {rows, kHidden},
                                   std::as_bytes(std::span(matrix)));
    ASSERT_TRUE(added) << added.error().message;
  };
  add("q", 2 * kHeadDim, true);
  add("k", kHeadDim, true);
  add("v", kHeadDim, true);
  add("o", kHidden, false);
  add("gate", kHidden, true);
  add("up", kHidden, true);
  add("down", kHidden, false);
  const auto finished = writer->Finish();
  ASSERT_TRUE(finished) << finished.error().message;
}

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
    if (pid_ > 0) Kill();
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
