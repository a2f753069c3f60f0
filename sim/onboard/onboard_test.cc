// libax_sys.so and libax_engine.so as a program on the board uses them.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "abi/ax_engine.h"
#include "abi/ax_sys.h"
#include "base/file.h"
#include "sim/entry/test_models.h"

namespace axsim::onboard {
namespace {

using entry::Bf16s;
using entry::kChunk;
using entry::kHidden;

constexpr uint32_t kVocab = 6;
constexpr uint32_t kMiB = 1u << 20;

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

std::set<std::string> Exports(const char* path) {
  FILE* nm = popen((std::string("'" NM_PROGRAM "' -D --defined-only '") + path + "'").c_str(), "r");
  std::set<std::string> names;
  char line[512];
  while (nm != nullptr && fgets(line, sizeof(line), nm) != nullptr) {
    const std::string text(line, strcspn(line, "\n"));
    names.insert(text.substr(text.rfind(' ') + 1));
  }
  EXPECT_EQ(pclose(nm), 0);
  return names;
}

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
  AX_ENGINE_HANDLE LoadPost() {
    entry::WritePostModel(folder_ / "post.axmodel", kHidden, kVocab);
    return Load("post.axmodel");
  }

  std::filesystem::path folder_;
};

// An IO whose buffers are blocks of the sizes that a table says, filled with zeros.
class TableIo {
 public:
  explicit TableIo(const AX_ENGINE_IO_INFO_T& info) {
    Add(info.pInputs, info.nInputSize, &inputs_);
    Add(info.pOutputs, info.nOutputSize, &outputs_);
    io_.pInputs = inputs_.data();
    io_.nInputSize = info.nInputSize;
    io_.pOutputs = outputs_.data();
    io_.nOutputSize = info.nOutputSize;
  }
  ~TableIo() {
    for (const auto& buffer : inputs_) SYS(MemFree)(buffer.phyAddr, buffer.pVirAddr);
    for (const auto& buffer : outputs_) SYS(MemFree)(buffer.phyAddr, buffer.pVirAddr);
  }
  AX_ENGINE_IO_T* io() { return &io_; }
  AX_ENGINE_IO_BUFFER_T& input(size_t i) { return inputs_[i]; }
  Bf16s Output(size_t i) const {
    Bf16s values(outputs_[i].nSize / 2);
    std::memcpy(values.data(), outputs_[i].pVirAddr, values.size() * 2);
    return values;
  }

 private:
  static void Add(const AX_ENGINE_IOMETA_T* metas, uint32_t count,
                  std::vector<AX_ENGINE_IO_BUFFER_T>* buffers) {
    for (uint32_t i = 0; i < count; ++i) {
      AX_ENGINE_IO_BUFFER_T buffer{};
      buffer.nSize = metas[i].nSize;
      EXPECT_EQ(SYS(MemAlloc)(&buffer.phyAddr, &buffer.pVirAddr, buffer.nSize, 128, nullptr), 0);
      std::memset(buffer.pVirAddr, 0, buffer.nSize);
      buffers->push_back(buffer);
    }
  }
  std::vector<AX_ENGINE_IO_BUFFER_T> inputs_;
  std::vector<AX_ENGINE_IO_BUFFER_T> outputs_;
  AX_ENGINE_IO_T io_{};
};

TEST_F(OnboardTest, ExportsTheAbiAndNothingElse) {
  const auto engine = Exports(AX_ENGINE_LIBRARY);
  EXPECT_EQ(engine.size(), 22u);
  for (const std::string& name : engine) EXPECT_TRUE(name.starts_with("AX_ENGINE_")) << name;
  // pyaxengine takes a library that has it for another chip's.
  EXPECT_FALSE(engine.contains("AX_ENGINE_GetTotalOps"));
  const auto sys = Exports(AX_SYS_LIBRARY);
  EXPECT_EQ(sys.size(), 10u);
  for (const std::string& name : sys) {
    EXPECT_TRUE(name.starts_with("AX_SYS_") || name.starts_with("axsim_")) << name;
  }
}

TEST_F(OnboardTest, NothingWorksBeforeInit) {
  Block block;
  EXPECT_EQ(SYS(MemAlloc)(&block.physical, &block.virt, 64, 128, nullptr), AX_ERR_CMM_NOTREADY);
  EXPECT_EQ(SYS(Deinit)(), AX_ERR_CMM_NOTREADY);
  AX_ENGINE_NPU_ATTR_T attributes{};
  EXPECT_EQ(ENGINE(Init)(&attributes), AX_ENGINE_ERR_INIT);
  EXPECT_EQ(ENGINE(GetVNPUAttr)(&attributes), AX_ENGINE_ERR_INIT);
  EXPECT_EQ(ENGINE(Deinit)(), AX_ENGINE_ERR_INIT);
  AX_ENGINE_HANDLE handle = nullptr;
  EXPECT_EQ(ENGINE(CreateHandle)(&handle, &block, sizeof(block)), AX_ENGINE_ERR_INIT);
  // Memory alone needs no engine; a model does.
  ASSERT_EQ(SYS(Init)(), 0);
  EXPECT_EQ(ENGINE(GetVNPUAttr)(&attributes), AX_ENGINE_ERR_INIT);
  block = Alloc(64);
  EXPECT_EQ(SYS(MemFree)(block.physical, block.virt), 0);
}

TEST_F(OnboardTest, InitIsCounted) {
  ASSERT_EQ(SYS(Init)(), 0);
  ASSERT_EQ(SYS(Init)(), 0);
  EXPECT_EQ(SYS(Deinit)(), 0);
  const uint32_t before = RemainKb();
  Alloc(kMiB);
  EXPECT_EQ(RemainKb(), before - 1024);
  EXPECT_EQ(SYS(Deinit)(), 0);
  ASSERT_EQ(SYS(Init)(), 0);
  EXPECT_EQ(RemainKb(), before);
}

TEST_F(OnboardTest, ABoardThatIsNotThere) {
  Configure(R"({"cards":[]})");
  EXPECT_EQ(SYS(Init)(), AX_ERR_CMM_NOTREADY);
  Configure(R"({"nonsense":1})");
  EXPECT_EQ(SYS(Init)(), AX_ERR_CMM_NOTREADY);
}

TEST_F(OnboardTest, MemoryIsTheProgramsToo) {
  Configure(R"({"cards":[{"id":1,"cmm_mib":64}]})");
  Open();
  AX_CMM_STATUS_T before{};
  ASSERT_EQ(SYS(MemQueryStatus)(&before), 0);
  EXPECT_EQ(before.TotalSize, 64u << 10);
  EXPECT_EQ(before.BlockCnt, 0u);
  ASSERT_EQ(before.Partition.PartitionCnt, 1u);
  EXPECT_STREQ(reinterpret_cast<const char*>(before.Partition.PartitionInfo[0].Name), "anonymous");
  EXPECT_EQ(before.Partition.PartitionInfo[0].SizeKB, before.TotalSize);

  const Block block = Alloc(kMiB);
  EXPECT_EQ(block.physical % 128, 0u);
  EXPECT_GE(block.physical, before.Partition.PartitionInfo[0].PhysAddr);
  char* const bytes = static_cast<char*>(block.virt);
  std::memset(bytes, 5, kMiB);
  EXPECT_EQ(SYS(MflushCache)(block.physical, block.virt, kMiB), 0);
  EXPECT_EQ(SYS(MinvalidateCache)(block.physical + 100, bytes + 100, kMiB - 100), 0);
  EXPECT_EQ(bytes[kMiB - 1], 5);
  AX_CMM_STATUS_T now{};
  ASSERT_EQ(SYS(MemQueryStatus)(&now), 0);
  EXPECT_EQ(now.RemainSize, before.RemainSize - 1024);
  EXPECT_EQ(now.BlockCnt, 1u);

  EXPECT_EQ(SYS(MflushCache)(block.physical, bytes + 4, 8), AX_ERR_CMM_ILLEGAL_PARAM);
  EXPECT_EQ(SYS(MflushCache)(block.physical, block.virt, kMiB + 1), AX_ERR_CMM_ILLEGAL_PARAM);
  EXPECT_EQ(SYS(MinvalidateCache)(block.physical, nullptr, 8), AX_ERR_CMM_NULL_PTR);
  EXPECT_EQ(SYS(MemFree)(block.physical, nullptr), AX_ERR_CMM_NULL_PTR);
  EXPECT_EQ(SYS(MemFree)(block.physical, bytes + 4), AX_ERR_CMM_ILLEGAL_PARAM);
  EXPECT_EQ(SYS(MemFree)(block.physical + 4, bytes + 4), AX_ERR_CMM_FREE_FAIL);
  EXPECT_EQ(SYS(MemFree)(block.physical, block.virt), 0);
  EXPECT_EQ(SYS(MemFree)(block.physical, block.virt), AX_ERR_CMM_ILLEGAL_PARAM);

  Block none;
  EXPECT_EQ(SYS(MemAlloc)(nullptr, &none.virt, 64, 128, nullptr), AX_ERR_CMM_NULL_PTR);
  EXPECT_EQ(SYS(MemAlloc)(&none.physical, &none.virt, 0, 128, nullptr), AX_ERR_CMM_ILLEGAL_PARAM);
  EXPECT_EQ(SYS(MemAlloc)(&none.physical, &none.virt, 64, 96, nullptr), AX_ERR_CMM_ILLEGAL_PARAM);
  EXPECT_EQ(SYS(MemAlloc)(&none.physical, &none.virt, 64 * kMiB, 0, nullptr), AX_ERR_CMM_NOMEM);
  EXPECT_EQ(SYS(MemQueryStatus)(nullptr), AX_ERR_CMM_NULL_PTR);
  EXPECT_EQ(RemainKb(), before.RemainSize);
}

TEST_F(OnboardTest, OneModeAtATime) {
  ASSERT_EQ(SYS(Init)(), 0);
  AX_ENGINE_NPU_ATTR_T attributes{};
  EXPECT_EQ(ENGINE(Init)(nullptr), AX_ENGINE_ERR_NULL);
  const uint32_t no_mode = 9;
  std::memcpy(&attributes, &no_mode, sizeof(no_mode));
  EXPECT_EQ(ENGINE(Init)(&attributes), AX_ENGINE_ERR_INIT);
  attributes = {};
  attributes.eHardMode = AX_ENGINE_VIRTUAL_NPU_STD;
  ASSERT_EQ(ENGINE(Init)(&attributes), 0);
  EXPECT_EQ(ENGINE(Init)(&attributes), 0);
  attributes = {};
  EXPECT_EQ(ENGINE(Init)(&attributes), AX_ENGINE_ERR_INIT);
  ASSERT_EQ(ENGINE(GetVNPUAttr)(&attributes), 0);
  EXPECT_EQ(attributes.eHardMode, AX_ENGINE_VIRTUAL_NPU_STD);
  ENGINE(NPUReset)();
  EXPECT_EQ(ENGINE(Deinit)(), 0);
  attributes = {};
  EXPECT_EQ(ENGINE(Init)(&attributes), 0);
  EXPECT_NE(std::string(ENGINE(GetVersion)()).find("axollama-sim"), std::string::npos);
}

TEST_F(OnboardTest, RunsTheTailOfAModel) {
  Open();
  const uint32_t empty_kb = RemainKb();
  const AX_ENGINE_HANDLE handle = LoadPost();
  EXPECT_LT(RemainKb(), empty_kb);
  AX_ENGINE_MODEL_TYPE_T type = AX_ENGINE_MODEL_TYPE0;
  ASSERT_EQ(ENGINE(GetHandleModelType)(handle, &type), 0);
  EXPECT_EQ(type, AX_ENGINE_MODEL_TYPE2);
  AX_ENGINE_CMM_INFO usage{};
  ASSERT_EQ(ENGINE(GetCMMUsage)(handle, &usage), 0);
  EXPECT_GE(usage.nCMMSize, std::filesystem::file_size(folder_ / "post.axmodel"));
  EXPECT_NE(std::string(ENGINE(GetModelToolsVersion)(handle)), "");
  EXPECT_EQ(ENGINE(SetAffinity)(handle, 0x2), 0);
  EXPECT_EQ(ENGINE(SetAffinity)(handle, 0x8), AX_ENGINE_ERR_RUN);
  AX_ENGINE_NPU_SET_T set = 0;
  ASSERT_EQ(ENGINE(GetAffinity)(handle, &set), 0);
  EXPECT_EQ(set, 0x2u);

  AX_ENGINE_IO_INFO_T* info = nullptr;
  ASSERT_EQ(ENGINE(GetIOInfo)(handle, &info), 0);
  ASSERT_EQ(info->nInputSize, 1u);
  EXPECT_STREQ(info->pInputs[0].pName, "input");
  EXPECT_EQ(info->pInputs[0].eMemoryType, AX_ENGINE_MT_PHYSICAL);
  EXPECT_EQ(info->pInputs[0].nSize, 2 * kHidden);
  ASSERT_EQ(info->nOutputSize, 1u);
  EXPECT_EQ(info->pOutputs[0].eDataType, AX_ENGINE_DT_BFLOAT16);
  EXPECT_EQ(info->pOutputs[0].pShape[2], static_cast<int32_t>(kVocab));
  {
    TableIo io(*info);
    const Bf16s row(kHidden, axollama::FloatToBf16(1.0f));
    std::memcpy(io.input(0).pVirAddr, row.data(), row.size() * 2);
    EXPECT_EQ(ENGINE(RunSync)(handle, io.io()), AX_ENGINE_ERR_HANDLE);  // no context yet
    ASSERT_EQ(ENGINE(CreateContext)(handle), 0);
    ASSERT_EQ(ENGINE(RunSync)(handle, io.io()), 0);
    // logits[r] = (r + 1) * the sum of the normalised row, whose values are 1.
    const auto logits = entry::ToFloats(io.Output(0));
    for (uint32_t r = 0; r < kVocab; ++r) {
      EXPECT_NEAR(logits[r], static_cast<float>((r + 1) * kHidden), 0.01f * (r + 1) * kHidden);
    }
    // Any thread may run it.
    AX_ENGINE_CONTEXT_T context = nullptr;
    ASSERT_EQ(ENGINE(CreateContextV2)(handle, &context), 0);
    const Bf16s first = io.Output(0);
    TableIo other(*info);
    std::memcpy(other.input(0).pVirAddr, row.data(), row.size() * 2);
    std::thread([&] { EXPECT_EQ(ENGINE(RunSyncV2)(handle, context, other.io()), 0); }).join();
    EXPECT_EQ(other.Output(0), first);
    other.input(0).nSize -= 2;
    EXPECT_EQ(ENGINE(RunSyncV2)(handle, context, other.io()), AX_ENGINE_ERR_RUN);
    other.input(0).nSize += 2;
    const uint64_t physical = other.input(0).phyAddr;
    other.input(0).phyAddr = reinterpret_cast<uint64_t>(other.input(0).pVirAddr);
    EXPECT_EQ(ENGINE(RunSyncV2)(handle, context, other.io()), AX_ENGINE_ERR_RUN);
    other.input(0).phyAddr = physical;
    other.io()->pInputs = nullptr;
    EXPECT_EQ(ENGINE(RunSyncV2)(handle, context, other.io()), AX_ENGINE_ERR_RUN);
    ASSERT_EQ(ENGINE(DestroyHandle)(handle), 0);
    EXPECT_EQ(ENGINE(RunSyncV2)(handle, context, io.io()), AX_ENGINE_ERR_HANDLE);
    EXPECT_EQ(ENGINE(DestroyHandle)(handle), AX_ENGINE_ERR_HANDLE);
  }
  EXPECT_EQ(RemainKb(), empty_kb);
}

TEST_F(OnboardTest, GroupsOfALayer) {
  Open();
  entry::WriteLayerModel(folder_ / "layer.axmodel");
  const AX_ENGINE_HANDLE handle = Load("layer.axmodel");
  uint32_t groups = 0;
  ASSERT_EQ(ENGINE(GetGroupIOInfoCount)(handle, &groups), 0);
  ASSERT_EQ(groups, 3u);
  AX_ENGINE_IO_INFO_T* decode = nullptr;
  AX_ENGINE_IO_INFO_T* chunk = nullptr;
  ASSERT_EQ(ENGINE(GetGroupIOInfo)(handle, 0, &decode), 0);
  ASSERT_EQ(ENGINE(GetGroupIOInfo)(handle, 1, &chunk), 0);
  EXPECT_EQ(ENGINE(GetGroupIOInfo)(handle, 3, &chunk), AX_ENGINE_ERR_RUN);
  ASSERT_EQ(ENGINE(GetGroupIOInfo)(handle, 1, &chunk), 0);
  ASSERT_EQ(chunk->nInputSize, 5u);
  EXPECT_STREQ(chunk->pInputs[0].pName, "K_cache");
  EXPECT_STREQ(chunk->pInputs[2].pName, "indices");
  EXPECT_EQ(chunk->pInputs[2].eDataType, AX_ENGINE_DT_UINT32);
  EXPECT_EQ(decode->pInputs[3].nSize, 2 * kHidden);
  EXPECT_EQ(chunk->pInputs[3].nSize, 2 * kHidden * kChunk);

  TableIo io(*chunk);
  const Bf16s rows(size_t{kChunk} * kHidden, axollama::FloatToBf16(0.5f));
  std::memcpy(io.input(3).pVirAddr, rows.data(), rows.size() * 2);
  AX_ENGINE_CONTEXT_T context = nullptr;
  ASSERT_EQ(ENGINE(CreateContextV2)(handle, &context), 0);
  ASSERT_EQ(ENGINE(RunGroupIOSync)(handle, context, 1, io.io()), 0);
  EXPECT_EQ(io.Output(2), rows);  // nothing is added to what comes in
  EXPECT_EQ(ENGINE(RunGroupIOSync)(handle, context, 3, io.io()), AX_ENGINE_ERR_RUN);
}

TEST_F(OnboardTest, FaultsAndTheNpusReset) {
  Configure(R"({"cards":[{"id":1,"faults":[{"kind":"out_of_memory"},{"kind":"needs_reset"}]}]})");
  Open();
  Block block;
  EXPECT_EQ(SYS(MemAlloc)(&block.physical, &block.virt, 64, 128, nullptr), AX_ERR_CMM_NOMEM);
  const AX_ENGINE_HANDLE handle = LoadPost();
  AX_ENGINE_IO_INFO_T* info = nullptr;
  ASSERT_EQ(ENGINE(GetIOInfo)(handle, &info), 0);
  TableIo io(*info);
  ASSERT_EQ(ENGINE(CreateContext)(handle), 0);
  EXPECT_EQ(ENGINE(RunSync)(handle, io.io()), AX_ENGINE_ERR_RUN);
  EXPECT_EQ(ENGINE(RunSync)(handle, io.io()), AX_ENGINE_ERR_RUN);
  ENGINE(NPUReset)();
  EXPECT_EQ(ENGINE(RunSync)(handle, io.io()), 0);
}

TEST_F(OnboardTest, FilesThatAreNoModels) {
  Open();
  const uint32_t empty_kb = RemainKb();
  entry::WritePostModel(folder_ / "post.axmodel", kHidden, kVocab);
  const auto content = axollama::ReadFile(folder_ / "post.axmodel");
  ASSERT_TRUE(content);
  AX_ENGINE_HANDLE handle = nullptr;
  AX_ENGINE_MODEL_TYPE_T type = AX_ENGINE_MODEL_TYPE0;
  for (size_t size = 1; size < content->size(); size += content->size() / 16) {
    EXPECT_EQ(ENGINE(CreateHandle)(&handle, content->data(), static_cast<uint32_t>(size)),
              AX_ENGINE_ERR_RUN)
        << size;
    EXPECT_EQ(handle, nullptr);
  }
  EXPECT_EQ(ENGINE(GetModelType)("no model", 8, &type), AX_ENGINE_ERR_RUN);
  EXPECT_EQ(ENGINE(CreateHandle)(nullptr, content->data(), 8), AX_ENGINE_ERR_NULL);
  EXPECT_EQ(ENGINE(CreateHandle)(&handle, nullptr, 8), AX_ENGINE_ERR_NULL);
  EXPECT_EQ(ENGINE(CreateHandle)(&handle, content->data(), 0), AX_ENGINE_ERR_NULL);
  AX_ENGINE_HANDLE_EXTRA_T extra{};
  extra.nNpuSet = 0x10;
  EXPECT_EQ(ENGINE(CreateHandleV2)(&handle, content->data(), static_cast<uint32_t>(content->size()),
                                   &extra),
            AX_ENGINE_ERR_RUN);
  EXPECT_EQ(handle, nullptr);
  EXPECT_EQ(RemainKb(), empty_kb);
}

}  // namespace
}  // namespace axsim::onboard
