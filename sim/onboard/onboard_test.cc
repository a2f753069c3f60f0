// libax_sys.so and libax_engine.so as a program on the board uses them.
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "abi/axcl.h"
#include "sim/onboard/fixture.h"

namespace axsim::onboard {
namespace {

using entry::Bf16s;
using entry::kChunk;
using entry::kHidden;

constexpr uint32_t kVocab = 6;
constexpr uint32_t kMiB = 1u << 20;

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

class BoardTest : public OnboardTest {
 protected:
  // A post model's file: logits[r] = (r + 1) * the sum of the normalised row.
  const char* Post() {
    entry::WritePostModel(folder_ / "post.axmodel", kHidden, kVocab);
    return "post.axmodel";
  }
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

TEST_F(BoardTest, ExportsTheAbiAndNothingElse) {
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

TEST_F(BoardTest, NothingWorksBeforeInit) {
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

TEST_F(BoardTest, InitIsCounted) {
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

TEST_F(BoardTest, ABoardThatIsNotThere) {
  Configure(R"({"cards":[]})");
  EXPECT_EQ(SYS(Init)(), AX_ERR_CMM_NOTREADY);
  Configure(R"({"nonsense":1})");
  EXPECT_EQ(SYS(Init)(), AX_ERR_CMM_NOTREADY);
}

TEST_F(BoardTest, MemoryIsTheProgramsToo) {
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

TEST_F(BoardTest, OneModeAtATime) {
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

TEST_F(BoardTest, RunsTheTailOfAModel) {
  Open();
  const uint32_t empty_kb = RemainKb();
  const AX_ENGINE_HANDLE handle = Load(Post());
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

TEST_F(BoardTest, GroupsOfALayer) {
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

TEST_F(BoardTest, FaultsAndTheNpusReset) {
  Configure(R"({"cards":[{"id":1,"faults":[{"kind":"out_of_memory"},{"kind":"needs_reset"}]}]})");
  Open();
  Block block;
  EXPECT_EQ(SYS(MemAlloc)(&block.physical, &block.virt, 64, 128, nullptr), AX_ERR_CMM_NOMEM);
  const AX_ENGINE_HANDLE handle = Load(Post());
  AX_ENGINE_IO_INFO_T* info = nullptr;
  ASSERT_EQ(ENGINE(GetIOInfo)(handle, &info), 0);
  TableIo io(*info);
  ASSERT_EQ(ENGINE(CreateContext)(handle), 0);
  EXPECT_EQ(ENGINE(RunSync)(handle, io.io()), AX_ENGINE_ERR_RUN);
  EXPECT_EQ(ENGINE(RunSync)(handle, io.io()), AX_ENGINE_ERR_RUN);
  ENGINE(NPUReset)();
  EXPECT_EQ(ENGINE(RunSync)(handle, io.io()), 0);
}

// A card and a board are the same thing, seen from outside and from inside.
TEST_F(BoardTest, SharesItsMemoryWithTheCard) {
  Open();
  const uint32_t before_kb = RemainKb();
  const auto axcl = [](const char* name) { return dlsym(dlopen(AXCL_RT_LIBRARY, RTLD_NOW), name); };
  const auto init = reinterpret_cast<decltype(&axclInit)>(axcl("axclInit"));
  const auto set_device = reinterpret_cast<decltype(&axclrtSetDevice)>(axcl("axclrtSetDevice"));
  const auto allocate = reinterpret_cast<decltype(&axclrtMalloc)>(axcl("axclrtMalloc"));
  const auto finalize = reinterpret_cast<decltype(&axclFinalize)>(axcl("axclFinalize"));
  ASSERT_TRUE(init && set_device && allocate && finalize);
  ASSERT_EQ(init(nullptr), AXCL_SUCC);
  ASSERT_EQ(set_device(1), AXCL_SUCC);
  void* device = nullptr;
  ASSERT_EQ(allocate(&device, 8 * kMiB, AXCL_MEM_MALLOC_HUGE_FIRST), AXCL_SUCC);
  EXPECT_EQ(RemainKb(), before_kb - 8 * 1024);
  EXPECT_EQ(finalize(), AXCL_SUCC);
  EXPECT_EQ(RemainKb(), before_kb);
}

TEST_F(BoardTest, FilesThatAreNoModels) {
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
