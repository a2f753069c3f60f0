// libaxcl_npu.so beside libaxcl_rt.so: one card under both.
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "abi/axcl_npu.h"
#include "base/file.h"
#include "sim/entry/fixture.h"

namespace axsim::entry {
namespace {

constexpr uint32_t kVocab = 6;

void* NpuLibrary() {
  static void* library = dlopen(AXCL_NPU_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  return library;
}

template <typename Function>
Function NpuLookup(const char* name) {
  void* symbol = NpuLibrary() == nullptr ? nullptr : dlsym(NpuLibrary(), name);
  if (symbol == nullptr) {
    fprintf(stderr, "%s has no %s\n", AXCL_NPU_LIBRARY, name);
    abort();
  }
  return reinterpret_cast<Function>(symbol);
}

#define NPU(name) (NpuLookup<decltype(&::AXCL_ENGINE_##name)>("AXCL_ENGINE_" #name))

class NpuTest : public EntryTest {
 protected:
  void SetUp() override {
    EntryTest::SetUp();
    ASSERT_NE(NpuLibrary(), nullptr) << dlerror();
    Open();
  }
  // A model file in the card's memory.
  void Upload(const std::filesystem::path& path) {
    const auto content = axollama::ReadFile(path);
    ASSERT_TRUE(content) << content.error().message;
    size_ = static_cast<uint32_t>(content->size());
    data_ = Malloc(size_);
    ASSERT_EQ(AX(axclrtMemcpy)(data_, content->data(), size_, AXCL_MEMCPY_HOST_TO_DEVICE),
              AXCL_SUCC);
  }
  void UploadPost() {
    WritePostModel(folder_ / "post.axmodel", kHidden, kVocab);
    Upload(folder_ / "post.axmodel");
  }
  AX_ENGINE_HANDLE Handle() {
    AX_ENGINE_HANDLE handle = nullptr;
    EXPECT_EQ(NPU(CreateHandle)(&handle, data_, size_), 0);
    return handle;
  }

  void* data_ = nullptr;
  uint32_t size_ = 0;
};

TEST_F(NpuTest, ExportsTheTwentyTwoCalls) {
  FILE* nm = popen("'" NM_PROGRAM "' -D --defined-only '" AXCL_NPU_LIBRARY "'", "r");
  ASSERT_NE(nm, nullptr);
  std::set<std::string> names;
  char line[512];
  while (fgets(line, sizeof(line), nm) != nullptr) {
    const std::string text(line, strcspn(line, "\n"));
    names.insert(text.substr(text.rfind(' ') + 1));
  }
  EXPECT_EQ(pclose(nm), 0);
  EXPECT_EQ(names.size(), 22u);
  for (const std::string& name : names) EXPECT_TRUE(name.starts_with("AXCL_ENGINE_")) << name;
}

TEST_F(NpuTest, SharesTheEngineWithTheOtherLibrary) {
  EXPECT_NE(std::string(NPU(GetVersion)()).find("V3.10.2"), std::string::npos);
  AX_ENGINE_NPU_ATTR_T attributes{};
  attributes.eHardMode = AX_ENGINE_VIRTUAL_NPU_STD;
  ASSERT_EQ(NPU(GetVNPUAttr)(&attributes), 0);
  EXPECT_EQ(attributes.eHardMode, AX_ENGINE_VIRTUAL_NPU_DISABLE);  // as the fixture began it
  EXPECT_EQ(NPU(Init)(&attributes), 0);
  attributes.eHardMode = AX_ENGINE_VIRTUAL_NPU_STD;
  EXPECT_EQ(NPU(Init)(&attributes), AX_ENGINE_ERR_INIT);
  ASSERT_EQ(NPU(Deinit)(), 0);
  EXPECT_NE(NPU(GetVNPUAttr)(&attributes), 0);
  attributes.eHardMode = AX_ENGINE_VIRTUAL_NPU_BIG_LITTLE;
  EXPECT_EQ(NPU(Init)(&attributes), 0);
  axclrtEngineVNpuKind kind = AXCL_VNPU_DISABLE;
  ASSERT_EQ(AX(axclrtEngineGetVNpuKind)(&kind), AXCL_SUCC);
  EXPECT_EQ(kind, AXCL_VNPU_BIG_LITTLE);
}

// What the vendor's axcl_run_model does with a model of one group, and the same over axclrt.
TEST_F(NpuTest, RunsAModelWithTheSameResult) {
  UploadPost();
  AX_ENGINE_MODEL_TYPE_T type = AX_ENGINE_MODEL_TYPE0;
  ASSERT_EQ(NPU(GetModelType)(data_, size_, &type), 0);
  EXPECT_EQ(type, AX_ENGINE_MODEL_TYPE2);
  AX_ENGINE_HANDLE_EXTRA_T extra{};
  extra.nNpuSet = 0x1;
  AX_ENGINE_HANDLE handle = nullptr;
  ASSERT_EQ(NPU(CreateHandleV2)(&handle, data_, size_, &extra), 0);
  AX_ENGINE_NPU_SET_T set = 0;
  ASSERT_EQ(NPU(GetAffinity)(handle, &set), 0);
  EXPECT_EQ(set, 0x1u);
  EXPECT_EQ(NPU(SetAffinity)(handle, 0x7), 0);
  ASSERT_EQ(NPU(GetHandleModelType)(handle, &type), 0);
  EXPECT_EQ(type, AX_ENGINE_MODEL_TYPE2);
  AX_ENGINE_CMM_INFO usage{};
  ASSERT_EQ(NPU(GetCMMUsage)(handle, &usage), 0);
  EXPECT_GE(usage.nCMMSize, size_);
  EXPECT_NE(NPU(GetModelToolsVersion)(handle), nullptr);
  uint32_t groups = 0;
  ASSERT_EQ(NPU(GetGroupIOInfoCount)(handle, &groups), 0);
  EXPECT_EQ(groups, 1u);
  AX_ENGINE_IO_INFO_T* info = nullptr;
  ASSERT_EQ(NPU(GetIOInfo)(handle, &info), 0);
  ASSERT_EQ(info->nInputSize, 1u);
  ASSERT_EQ(info->nOutputSize, 1u);
  EXPECT_STREQ(info->pInputs[0].pName, "input");
  EXPECT_EQ(info->pInputs[0].eDataType, AX_ENGINE_DT_BFLOAT16);
  EXPECT_EQ(info->pInputs[0].nSize, 2 * kHidden);
  ASSERT_EQ(info->pOutputs[0].nShapeSize, 3);
  EXPECT_EQ(info->pOutputs[0].pShape[2], static_cast<int32_t>(kVocab));

  void* const input = Malloc(2 * kHidden);
  void* const output = Malloc(2 * kVocab);
  std::vector<float> row(kHidden, 1.0f);
  row[3] = -2.0f;
  Up(input, ToBf16(row));
  AX_ENGINE_IO_BUFFER_T in{};
  in.phyAddr = reinterpret_cast<uint64_t>(input);
  in.nSize = 2 * kHidden;
  AX_ENGINE_IO_BUFFER_T out{};
  out.phyAddr = reinterpret_cast<uint64_t>(output);
  out.nSize = 2 * kVocab;
  AX_ENGINE_IO_T io{};
  io.pInputs = &in;
  io.nInputSize = 1;
  io.pOutputs = &out;
  io.nOutputSize = 1;
  EXPECT_EQ(NPU(RunSync)(handle, &io), AX_ENGINE_ERR_HANDLE);  // no context yet
  ASSERT_EQ(NPU(CreateContext)(handle), 0);
  ASSERT_EQ(NPU(RunSync)(handle, &io), 0);
  const Bf16s first = Down(output, kVocab);
  AX_ENGINE_CONTEXT_T context = nullptr;
  ASSERT_EQ(NPU(CreateContextV2)(handle, &context), 0);
  Up(output, Bf16s(kVocab, 0));
  ASSERT_EQ(NPU(RunSyncV2)(handle, context, &io), 0);
  EXPECT_EQ(Down(output, kVocab), first);

  uint64_t model = 0;
  uint64_t model_context = 0;
  axclrtEngineIOInfo other_info = nullptr;
  axclrtEngineIO other_io = nullptr;
  ASSERT_EQ(AX(axclrtEngineLoadFromMem)(data_, size_, &model), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtEngineCreateContext)(model, &model_context), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtEngineGetIOInfo)(model, &other_info), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtEngineCreateIO)(other_info, &other_io), AXCL_SUCC);
  AX(axclrtEngineSetInputBufferByIndex)(other_io, 0, input, 2 * kHidden);
  AX(axclrtEngineSetOutputBufferByIndex)(other_io, 0, output, 2 * kVocab);
  Up(output, Bf16s(kVocab, 0));
  ASSERT_EQ(AX(axclrtEngineExecute)(model, model_context, 0, other_io), AXCL_SUCC);
  EXPECT_EQ(Down(output, kVocab), first);
}

TEST_F(NpuTest, GroupsOfALayer) {
  WriteLayerModel(folder_ / "layer.axmodel");
  Upload(folder_ / "layer.axmodel");
  const AX_ENGINE_HANDLE handle = Handle();
  uint32_t groups = 0;
  ASSERT_EQ(NPU(GetGroupIOInfoCount)(handle, &groups), 0);
  ASSERT_EQ(groups, 3u);
  AX_ENGINE_IO_INFO_T* info = nullptr;
  EXPECT_EQ(NPU(GetGroupIOInfo)(handle, 3, &info), AX_ENGINE_ERR_RUN);
  ASSERT_EQ(NPU(GetGroupIOInfo)(handle, 1, &info), 0);
  std::vector<AX_ENGINE_IO_BUFFER_T> buffers;
  uint32_t input = 0;
  for (uint32_t i = 0; i < info->nInputSize + info->nOutputSize; ++i) {
    const bool is_input = i < info->nInputSize;
    const AX_ENGINE_IOMETA_T& meta =
        is_input ? info->pInputs[i] : info->pOutputs[i - info->nInputSize];
    void* const memory = Malloc(meta.nSize);
    EXPECT_EQ(AX(axclrtMemset)(memory, 0, meta.nSize), AXCL_SUCC);
    AX_ENGINE_IO_BUFFER_T buffer{};
    buffer.phyAddr = reinterpret_cast<uint64_t>(memory);
    buffer.nSize = meta.nSize;
    buffers.push_back(buffer);
    if (is_input && std::string(meta.pName) == "input") input = i;
  }
  const Bf16s rows(size_t{kChunk} * kHidden, axollama::FloatToBf16(0.5f));
  Up(reinterpret_cast<void*>(buffers[input].phyAddr), rows);
  AX_ENGINE_IO_T io{};
  io.pInputs = buffers.data();
  io.nInputSize = info->nInputSize;
  io.pOutputs = buffers.data() + info->nInputSize;
  io.nOutputSize = info->nOutputSize;
  AX_ENGINE_CONTEXT_T context = nullptr;
  ASSERT_EQ(NPU(CreateContextV2)(handle, &context), 0);
  ASSERT_EQ(NPU(RunGroupIOSync)(handle, context, 1, &io), 0);
  EXPECT_EQ(Down(reinterpret_cast<void*>(buffers.back().phyAddr), rows.size()), rows);
  EXPECT_EQ(NPU(RunGroupIOSync)(handle, context, 3, &io), AX_ENGINE_ERR_RUN);
  --io.nOutputSize;
  EXPECT_EQ(NPU(RunGroupIOSync)(handle, context, 1, &io), AX_ENGINE_ERR_RUN);
}

TEST_F(NpuTest, WhatAProgramMayGetWrong) {
  UploadPost();
  AX_ENGINE_HANDLE handle = nullptr;
  EXPECT_EQ(NPU(Init)(nullptr), AX_ENGINE_ERR_NULL);
  EXPECT_EQ(NPU(CreateHandle)(nullptr, data_, size_), AX_ENGINE_ERR_NULL);
  EXPECT_EQ(NPU(CreateHandle)(&handle, nullptr, size_), AX_ENGINE_ERR_NULL);
  EXPECT_EQ(NPU(CreateHandle)(&handle, data_, 0), AX_ENGINE_ERR_NULL);
  EXPECT_EQ(NPU(CreateHandle)(&handle, data_, size_ / 2), AXCL_ERR_ENGINE_EXECUTE_FAIL);
  int host = 0;
  EXPECT_EQ(NPU(CreateHandle)(&handle, &host, sizeof(host)), AXCL_ERR_ENGINE_EXECUTE_FAIL);
  EXPECT_EQ(handle, nullptr);
  handle = Handle();
  const uint64_t free_kb = FreeKb();
  const AX_ENGINE_HANDLE other = Handle();
  AX_ENGINE_CONTEXT_T context = nullptr;
  ASSERT_EQ(NPU(CreateContextV2)(other, &context), 0);
  AX_ENGINE_IO_T io{};
  EXPECT_EQ(NPU(RunSyncV2)(handle, context, &io), AX_ENGINE_ERR_HANDLE);  // another's context
  EXPECT_EQ(NPU(RunSyncV2)(other, context, nullptr), AX_ENGINE_ERR_NULL);
  EXPECT_EQ(NPU(RunSyncV2)(other, context, &io), AX_ENGINE_ERR_RUN);  // nothing bound
  ASSERT_EQ(NPU(DestroyHandle)(other), 0);
  EXPECT_EQ(FreeKb(), free_kb);
  EXPECT_EQ(NPU(DestroyHandle)(other), AX_ENGINE_ERR_HANDLE);
  EXPECT_EQ(NPU(RunSyncV2)(other, context, &io), AX_ENGINE_ERR_HANDLE);
  EXPECT_EQ(NPU(GetModelToolsVersion)(other), nullptr);
  EXPECT_EQ(NPU(DestroyHandle)(&host), AX_ENGINE_ERR_HANDLE);
  std::thread([&] {  // without a device
    AX_ENGINE_HANDLE third = nullptr;
    EXPECT_EQ(NPU(CreateHandle)(&third, data_, size_), AXCL_ERR_CONTEXT_NOT_BOUND);
  })
      .join();
  EXPECT_EQ(NPU(DestroyHandle)(handle), 0);
}

}  // namespace
}  // namespace axsim::entry
