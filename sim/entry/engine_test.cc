// Models through the library: the official call order, shapes, bindings, executes, and errors.
#include <fstream>
#include <thread>

#include "sim/entry/fixture.h"

namespace axsim::entry {
namespace {

constexpr uint32_t kVocab = 24;
constexpr uint64_t kBadIndex = 0x80300781u;

class EngineTest : public EntryTest {
 protected:
  void SetUp() override {
    EntryTest::SetUp();
    WritePostModel(folder_ / "post.axmodel", kHidden, kVocab);
    WriteLayerModel(folder_ / "layer.axmodel");
  }

  // A loaded model with one context, and its IO.
  struct Loaded {
    uint64_t id = 0;
    uint64_t context = 0;
    void* info = nullptr;
    void* io = nullptr;
  };
  Loaded Load(const char* name) {
    Loaded model;
    EXPECT_EQ(AX(axclrtEngineLoadFromFile)((folder_ / name).c_str(), &model.id), AXCL_SUCC);
    EXPECT_EQ(AX(axclrtEngineCreateContext)(model.id, &model.context), AXCL_SUCC);
    EXPECT_EQ(AX(axclrtEngineGetIOInfo)(model.id, &model.info), AXCL_SUCC);
    EXPECT_EQ(AX(axclrtEngineCreateIO)(model.info, &model.io), AXCL_SUCC);
    return model;
  }
  axclError Execute(const Loaded& model, uint32_t group = 0) {
    return AX(axclrtEngineExecute)(model.id, model.context, group, model.io);
  }
  void BindInput(const Loaded& model, uint32_t index, const void* device, uint64_t size) {
    ASSERT_EQ(AX(axclrtEngineSetInputBufferByIndex)(model.io, index, device, size), AXCL_SUCC);
  }
  void BindOutput(const Loaded& model, uint32_t index, const void* device, uint64_t size) {
    ASSERT_EQ(AX(axclrtEngineSetOutputBufferByIndex)(model.io, index, device, size), AXCL_SUCC);
  }
};

// The row of ones is its own normalised form, so logit r is (r + 1) * kHidden.
std::vector<float> ExpectedLogits() {
  std::vector<float> logits;
  for (uint32_t row = 0; row < kVocab; ++row) {
    logits.push_back(static_cast<float>((row + 1) * kHidden));
  }
  return logits;
}

void ExpectLogits(const Bf16s& got) {
  const auto expected = ExpectedLogits();
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(axollama::Bf16ToFloat(got[i]), expected[i], 0.01f * expected[i]) << i;
  }
}

TEST_F(EngineTest, OfficialCallOrder) {
  Open();
  axclrtEngineVNpuKind vnpu = AXCL_VNPU_ENABLE;
  ASSERT_EQ(AX(axclrtEngineGetVNpuKind)(&vnpu), AXCL_SUCC);
  EXPECT_EQ(vnpu, AXCL_VNPU_DISABLE);
  const Loaded model = Load("post.axmodel");
  EXPECT_NE(std::string(AX(axclrtEngineGetModelCompilerVersion)(model.id)), "");
  int32_t groups = 0;
  ASSERT_EQ(AX(axclrtEngineGetShapeGroupsCount)(model.info, &groups), AXCL_SUCC);
  EXPECT_EQ(groups, 1);
  ASSERT_EQ(AX(axclrtEngineGetNumInputs)(model.info), 1u);
  ASSERT_EQ(AX(axclrtEngineGetNumOutputs)(model.info), 1u);
  EXPECT_STREQ(AX(axclrtEngineGetInputNameByIndex)(model.info, 0), "input");
  EXPECT_STREQ(AX(axclrtEngineGetOutputNameByIndex)(model.info, 0), "output");
  const uint64_t input_bytes = AX(axclrtEngineGetInputSizeByIndex)(model.info, 0, 0);
  const uint64_t output_bytes = AX(axclrtEngineGetOutputSizeByIndex)(model.info, 0, 0);
  ASSERT_EQ(input_bytes, kHidden * 2u);
  ASSERT_EQ(output_bytes, kVocab * 2u);

  void* input = Malloc(input_bytes);
  void* output = Malloc(output_bytes);
  ASSERT_EQ(AX(axclrtMemset)(output, 0, output_bytes), AXCL_SUCC);
  BindInput(model, 0, input, input_bytes);
  BindOutput(model, 0, output, output_bytes);
  ASSERT_EQ(AX(axclrtEngineSetDynamicBatchSize)(model.io, 1), AXCL_SUCC);
  Up(input, Bf16s(kHidden, axollama::FloatToBf16(1.0f)));
  ASSERT_EQ(Execute(model), AXCL_SUCC);
  ExpectLogits(Down(output, kVocab));

  EXPECT_EQ(AX(axclrtEngineDestroyIO)(model.io), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtEngineDestroyIOInfo)(model.info), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtEngineUnload)(model.id), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtFree)(input), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtFree)(output), AXCL_SUCC);
  EXPECT_EQ(FreeKb(), (7040u - 18) * 1024);
  EXPECT_EQ(AX(axclrtEngineFinalize)(), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtResetDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(AX(axclFinalize)(), AXCL_SUCC);
}

// As pyaxengine and the old ax-llm do it: the file goes to device memory, and buffers may be
// larger than a group needs.
TEST_F(EngineTest, LoadFromDeviceMemory) {
  Open();
  std::ifstream file(folder_ / "post.axmodel", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  void* device = Malloc(bytes.size());
  ASSERT_EQ(AX(axclrtMemcpy)(device, bytes.data(), bytes.size(), AXCL_MEMCPY_HOST_TO_DEVICE),
            AXCL_SUCC);
  Loaded model;
  ASSERT_EQ(AX(axclrtEngineLoadFromMem)(device, bytes.size(), &model.id), AXCL_SUCC);
  axclrtEngineModelKind kind = AXCL_MODEL_TYPE_1CORE;
  EXPECT_EQ(AX(axclrtEngineGetModelTypeFromMem)(device, bytes.size(), &kind), AXCL_SUCC);
  EXPECT_EQ(kind, AXCL_MODEL_TYPE_3CORE);
  ASSERT_EQ(AX(axclrtFree)(device), AXCL_SUCC);  // the model is a copy
  ASSERT_EQ(AX(axclrtEngineCreateContext)(model.id, &model.context), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtEngineGetIOInfo)(model.id, &model.info), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtEngineCreateIO)(model.info, &model.io), AXCL_SUCC);
  void* buffer = Malloc(8192);
  BindInput(model, 0, buffer, 4096);
  BindOutput(model, 0, At(buffer, 4096), 4096);
  Up(buffer, Bf16s(kHidden, axollama::FloatToBf16(1.0f)));
  ASSERT_EQ(Execute(model), AXCL_SUCC);
  ExpectLogits(Down(At(buffer, 4096), kVocab));
  void* got = nullptr;
  uint64_t size = 0;
  ASSERT_EQ(AX(axclrtEngineGetOutputBufferByIndex)(model.io, 0, &got, &size), AXCL_SUCC);
  EXPECT_EQ(got, At(buffer, 4096));
  EXPECT_EQ(size, 4096u);
  EXPECT_EQ(AX(axclrtEngineLoadFromMem)(nullptr, 10, &model.id), Code(0x80300703));
  EXPECT_EQ(AX(axclrtEngineLoadFromMem)(buffer, 0, &model.id), Code(0x80300703));
  EXPECT_EQ(AX(axclrtEngineLoadFromMem)(bytes.data(), bytes.size(), &model.id), Code(0x8030070C));
  EXPECT_EQ(AX(axclrtEngineLoadFromMem)(buffer, 8192, &model.id), Code(0x8030070C));
}

TEST_F(EngineTest, LayerShapes) {
  Open();
  const Loaded model = Load("layer.axmodel");
  int32_t groups = 0;
  ASSERT_EQ(AX(axclrtEngineGetShapeGroupsCount)(model.info, &groups), AXCL_SUCC);
  ASSERT_EQ(groups, 3);
  const char* inputs[] = {"K_cache", "V_cache", "indices", "input", "mask"};
  ASSERT_EQ(AX(axclrtEngineGetNumInputs)(model.info), 5u);
  for (uint32_t i = 0; i < 5; ++i) {
    EXPECT_STREQ(AX(axclrtEngineGetInputNameByIndex)(model.info, i), inputs[i]);
    EXPECT_EQ(AX(axclrtEngineGetInputIndexByName)(model.info, inputs[i]), static_cast<int32_t>(i));
  }
  const char* outputs[] = {"K_cache_out", "V_cache_out", "output"};
  ASSERT_EQ(AX(axclrtEngineGetNumOutputs)(model.info), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_STREQ(AX(axclrtEngineGetOutputNameByIndex)(model.info, i), outputs[i]);
    EXPECT_EQ(AX(axclrtEngineGetOutputIndexByName)(model.info, outputs[i]),
              static_cast<int32_t>(i));
  }
  const auto dims = [&](uint32_t group, uint32_t index) {
    axclrtEngineIODims d{};
    EXPECT_EQ(AX(axclrtEngineGetInputDims)(model.info, group, index, &d), AXCL_SUCC);
    return std::vector<int32_t>(d.dims, d.dims + d.dimCount);
  };
  EXPECT_EQ(dims(0, 0), (std::vector<int32_t>{1, kRows, kHeadDim}));
  EXPECT_EQ(dims(0, 4), (std::vector<int32_t>{1, 1, kRows + 1}));
  EXPECT_EQ(dims(1, 0), (std::vector<int32_t>{1, 1, kHeadDim}));
  EXPECT_EQ(dims(2, 0), (std::vector<int32_t>{1, kChunk, kHeadDim}));
  EXPECT_EQ(dims(2, 4), (std::vector<int32_t>{1, kChunk, 2 * kChunk}));
  EXPECT_EQ(AX(axclrtEngineGetInputSizeByIndex)(model.info, 2, 3), kChunk * kHidden * 2u);
  axclrtEngineDataType type = AXCL_DATA_TYPE_NONE;
  ASSERT_EQ(AX(axclrtEngineGetInputDataType)(model.info, 2, &type), AXCL_SUCC);
  EXPECT_EQ(type, AXCL_DATA_TYPE_UINT32);
  ASSERT_EQ(AX(axclrtEngineGetOutputDataType)(model.info, 0, &type), AXCL_SUCC);
  EXPECT_EQ(type, AXCL_DATA_TYPE_BF16);
  axclrtEngineDataLayout layout = AXCL_DATA_LAYOUT_NCHW;
  EXPECT_EQ(AX(axclrtEngineGetInputDataLayout)(model.info, 0, &layout), AXCL_SUCC);

  EXPECT_EQ(AX(axclrtEngineGetInputSizeByIndex)(model.info, 3, 0), kBadIndex);
  EXPECT_EQ(AX(axclrtEngineGetOutputSizeByIndex)(model.info, 0, 3), kBadIndex);
  EXPECT_EQ(AX(axclrtEngineGetInputNameByIndex)(model.info, 5), nullptr);
  EXPECT_LT(AX(axclrtEngineGetInputIndexByName)(model.info, "absent"), 0);
  axclrtEngineIODims d{};
  EXPECT_EQ(AX(axclrtEngineGetInputDims)(model.info, 3, 0, &d), Code(0x80300781));
}

// One decode with the K and V rows bound straight into the caches, at interior addresses.
TEST_F(EngineTest, LayerDecodesAndPrefills) {
  Open();
  const Loaded model = Load("layer.axmodel");
  constexpr uint64_t kRowBytes = kHeadDim * 2;
  void* k_cache = Malloc(kRows * kRowBytes);
  void* v_cache = Malloc(kRows * kRowBytes);
  ASSERT_EQ(AX(axclrtMemset)(k_cache, 0, kRows * kRowBytes), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtMemset)(v_cache, 0, kRows * kRowBytes), AXCL_SUCC);
  void* indices = Malloc(kChunk * 4);
  ASSERT_EQ(AX(axclrtMemset)(indices, 0, kChunk * 4), AXCL_SUCC);
  void* hidden = Malloc(kChunk * kHidden * 2);
  void* mask = Malloc(kChunk * 2 * kChunk * 2);
  void* output = Malloc(kChunk * kHidden * 2);
  const Bf16s ones(kChunk * kHidden, axollama::FloatToBf16(1.0f));
  Up(hidden, ones);
  Bf16s decode_mask(kRows + 1, 0xC780);
  decode_mask[kRows] = 0;
  Up(mask, decode_mask);
  BindInput(model, 0, k_cache, kRows * kRowBytes);
  BindInput(model, 1, v_cache, kRows * kRowBytes);
  BindInput(model, 2, indices, kChunk * 4);
  BindInput(model, 3, hidden, kChunk * kHidden * 2);
  BindInput(model, 4, mask, kChunk * 2 * kChunk * 2);
  BindOutput(model, 0, At(k_cache, 2 * kRowBytes), kRowBytes);
  BindOutput(model, 1, At(v_cache, 2 * kRowBytes), kRowBytes);
  BindOutput(model, 2, output, kChunk * kHidden * 2);
  ASSERT_EQ(Execute(model, 0), AXCL_SUCC);
  EXPECT_EQ(Down(output, kHidden), Bf16s(kHidden, axollama::FloatToBf16(1.0f)));
  const auto row = ToFloats(Down(At(v_cache, 2 * kRowBytes), kHeadDim));
  for (const float value : row) EXPECT_NEAR(value, 1.0f, 0.01f);
  EXPECT_EQ(Down(v_cache, 2 * kHeadDim), Bf16s(2 * kHeadDim, 0));

  // A chunk needs more room for K and V than one row.
  EXPECT_EQ(Execute(model, 1), Code(0x80300703));
  void* chunk_k = Malloc(kChunk * kRowBytes);
  void* chunk_v = Malloc(kChunk * kRowBytes);
  BindOutput(model, 0, chunk_k, kChunk * kRowBytes);
  BindOutput(model, 1, chunk_v, kChunk * kRowBytes);
  Bf16s chunk_mask(kChunk * (1 + kChunk), 0xC780);
  for (uint32_t r = 0; r < kChunk; ++r) {
    for (uint32_t c = 0; c <= r; ++c) chunk_mask[r * (1 + kChunk) + 1 + c] = 0;
  }
  Up(mask, chunk_mask);
  ASSERT_EQ(Execute(model, 1), AXCL_SUCC);
  EXPECT_EQ(Down(output, kChunk * kHidden), ones);
  for (const float value : ToFloats(Down(chunk_v, kChunk * kHeadDim))) {
    EXPECT_NEAR(value, 1.0f, 0.01f);
  }
}

TEST_F(EngineTest, FilesThatDoNotLoad) {
  Open();
  uint64_t id = 0;
  EXPECT_EQ(AX(axclrtEngineLoadFromFile)(nullptr, &id), Code(0x80300702));
  EXPECT_EQ(AX(axclrtEngineLoadFromFile)((folder_ / "absent").c_str(), &id), Code(0x80300703));
  EXPECT_EQ(AX(axclrtEngineLoadFromFile)(folder_.c_str(), &id), Code(0x80300703));
  std::ofstream(folder_ / "broken.axmodel") << "version https://git-lfs.github.com/spec/v1";
  EXPECT_EQ(AX(axclrtEngineLoadFromFile)((folder_ / "broken.axmodel").c_str(), &id),
            Code(0x8030070C));
  std::ofstream(folder_ / "empty.axmodel").flush();
  EXPECT_EQ(AX(axclrtEngineLoadFromFile)((folder_ / "empty.axmodel").c_str(), &id),
            Code(0x8030070C));
  EXPECT_EQ(id, 0u);
  EXPECT_EQ(FreeKb(), (7040u - 18) * 1024) << "nothing of it stays";
  ASSERT_EQ(AX(axclrtEngineFinalize)(), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtEngineLoadFromFile)((folder_ / "post.axmodel").c_str(), &id), Code(0x8030070C))
      << "without axclrtEngineInit";
}

TEST_F(EngineTest, LoadingTakesTheFileTwice) {
  // A file of about 8 MiB.
  WritePostModel(folder_ / "big.axmodel", 1024, 4096);
  const uint64_t file_kb = (std::filesystem::file_size(folder_ / "big.axmodel") + 4095) / 4096 * 4;
  Open(R"({"cards":[{"id":1,"cmm_mib":118}]})");
  void* filler = Malloc(100 * kMiB - (file_kb + 1024) * 1024);
  uint64_t id = 0;
  EXPECT_EQ(AX(axclrtEngineLoadFromFile)((folder_ / "big.axmodel").c_str(), &id), Code(0x8030050C))
      << "room for one copy";
  EXPECT_EQ(FreeKb(), file_kb + 1024);
  ASSERT_EQ(AX(axclrtFree)(filler), AXCL_SUCC);
  Malloc(100 * kMiB - 2 * file_kb * 1024);
  ASSERT_EQ(AX(axclrtEngineLoadFromFile)((folder_ / "big.axmodel").c_str(), &id), AXCL_SUCC);
  EXPECT_EQ(FreeKb(), file_kb) << "the transient copy is gone";
  int64_t system_bytes = 0;
  int64_t cmm_bytes = 0;
  ASSERT_EQ(AX(axclrtEngineGetUsageFromModelId)(id, &system_bytes, &cmm_bytes), AXCL_SUCC);
  EXPECT_GT(cmm_bytes, static_cast<int64_t>(file_kb * 1024));
  int64_t planned_bytes = 0;
  ASSERT_EQ(
      AX(axclrtEngineGetUsage)((folder_ / "big.axmodel").c_str(), &system_bytes, &planned_bytes),
      AXCL_SUCC);
  EXPECT_EQ(planned_bytes, cmm_bytes);
  ASSERT_EQ(AX(axclrtEngineUnload)(id), AXCL_SUCC);
  EXPECT_EQ(FreeKb(), 2 * file_kb);
  EXPECT_EQ(AX(axclrtEngineUnload)(id), -1);
}

TEST_F(EngineTest, ExecuteErrors) {
  Open();
  const Loaded model = Load("post.axmodel");
  void* input = Malloc(kHidden * 2);
  void* output = Malloc(kVocab * 2);
  const auto execute = AX(axclrtEngineExecute);
  EXPECT_EQ(execute(0, model.context, 0, model.io), Code(0x80300703));
  EXPECT_EQ(execute(model.id, 0, 0, model.io), Code(0x80300703));
  EXPECT_EQ(execute(model.id, model.context, 0, nullptr), Code(0x80300702));
  EXPECT_EQ(execute(model.id + 1000, model.context, 0, model.io), -1);
  EXPECT_EQ(execute(model.id, model.context + 1000, 0, model.io), -1);
  EXPECT_EQ(execute(model.id, model.context, 1, model.io), Code(0x80300703));
  EXPECT_EQ(execute(model.id, model.context, 0, input), Code(0x80300703)) << "not an IO";
  EXPECT_EQ(Execute(model), Code(0x80300703)) << "nothing is bound";
  EXPECT_EQ(AX(axclrtEngineSetInputBufferByIndex)(model.io, 0, nullptr, 8), Code(0x80300702));
  EXPECT_EQ(AX(axclrtEngineSetInputBufferByIndex)(model.io, 1, input, 8), Code(0x80300703));
  EXPECT_EQ(AX(axclrtEngineSetInputBufferByIndex)(model.io, 0, input, 0), Code(0x80300703));
  EXPECT_EQ(AX(axclrtEngineSetInputBufferByIndex)(nullptr, 0, input, 8), Code(0x80300702));
  BindInput(model, 0, input, kHidden * 2);
  BindOutput(model, 0, output, kVocab * 2 - 1);
  EXPECT_EQ(Execute(model), Code(0x80300703)) << "too small";
  char host[256];
  BindOutput(model, 0, host, sizeof(host));
  EXPECT_EQ(Execute(model), Code(0x8030070C)) << "not on the card";
  BindOutput(model, 0, At(output, 2), kVocab * 2);
  EXPECT_EQ(Execute(model), Code(0x8030070C)) << "runs out of its block";
  BindOutput(model, 0, output, kVocab * 2);
  EXPECT_EQ(Execute(model), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtEngineUnload)(model.id), AXCL_SUCC);
  EXPECT_EQ(Execute(model), -1);
  EXPECT_STREQ(AX(axclrtEngineGetInputNameByIndex)(model.info, 0), "input") << "host-local";
  ASSERT_EQ(AX(axclrtEngineDestroyIO)(model.io), AXCL_SUCC);
  EXPECT_NE(AX(axclrtEngineDestroyIO)(model.io), AXCL_SUCC);
}

TEST_F(EngineTest, ByNameAlwaysMeansIndexZero) {
  Open();
  const Loaded model = Load("layer.axmodel");
  void* device = Malloc(64);
  ASSERT_EQ(AX(axclrtEngineSetInputBufferByName)(model.io, "mask", device, 64), AXCL_SUCC);
  void* got = nullptr;
  uint64_t size = 0;
  ASSERT_EQ(AX(axclrtEngineGetInputBufferByIndex)(model.io, 0, &got, &size), AXCL_SUCC);
  EXPECT_EQ(got, device);
  ASSERT_EQ(AX(axclrtEngineGetInputBufferByIndex)(model.io, 4, &got, &size), AXCL_SUCC);
  EXPECT_EQ(got, nullptr);
  ASSERT_EQ(AX(axclrtEngineGetInputBufferByName)(model.io, "input", &got, &size), AXCL_SUCC);
  EXPECT_EQ(got, device);
}

TEST_F(EngineTest, Affinity) {
  Open();
  const Loaded model = Load("post.axmodel");
  axclrtEngineSet set = 0;
  ASSERT_EQ(AX(axclrtEngineSetAffinity)(model.id, 0x3), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtEngineGetAffinity)(model.id, &set), AXCL_SUCC);
  EXPECT_EQ(set, 0x3u);
  EXPECT_EQ(AX(axclrtEngineSetAffinity)(model.id, 0), Code(0x80300703));
  EXPECT_EQ(AX(axclrtEngineGetContextAffinity)(model.id, model.context, &set), Code(0x80300704));
}

TEST_F(EngineTest, ARebootEndsModels) {
  Open();
  const Loaded model = Load("post.axmodel");
  void* buffer = Malloc(8192);
  BindInput(model, 0, buffer, 4096);
  BindOutput(model, 0, At(buffer, 4096), 4096);
  ASSERT_EQ(Execute(model), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(Execute(model), Code(0x8030070C));
  EXPECT_EQ(AX(axclrtEngineUnload)(model.id), Code(0x8030070C));
  ASSERT_EQ(AX(axclrtSetDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(Execute(model), -1) << "the card knows nothing of the model any more";
  ASSERT_EQ(AX(axclrtEngineInit)(AXCL_VNPU_DISABLE), AXCL_SUCC);
  const Loaded again = Load("post.axmodel");
  EXPECT_NE(again.id, model.id);
  BindInput(again, 0, buffer, 4096);
  BindOutput(again, 0, At(buffer, 4096), 4096);
  EXPECT_EQ(Execute(again), Code(0x8030070C)) << "nor of the buffer";
}

// Threads with contexts of their own, one model: executes take turns and do not mix.
TEST_F(EngineTest, ThreadsExecuteOneAfterAnother) {
  Open();
  const Loaded model = Load("post.axmodel");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      void* context = nullptr;
      ASSERT_EQ(AX(axclrtCreateContext)(&context, card_), AXCL_SUCC);
      Loaded own = model;
      ASSERT_EQ(AX(axclrtEngineCreateIO)(model.info, &own.io), AXCL_SUCC);
      void* buffer = Malloc(8192);
      BindInput(own, 0, buffer, 4096);
      BindOutput(own, 0, At(buffer, 4096), 4096);
      // The row's length is its own: what a thread reads back shows whose row it was.
      const float sign = t % 2 == 0 ? 1.0f : -1.0f;
      Up(buffer, Bf16s(kHidden, axollama::FloatToBf16(sign)));
      for (int i = 0; i < 50; ++i) {
        ASSERT_EQ(Execute(own), AXCL_SUCC);
        EXPECT_NEAR(axollama::Bf16ToFloat(Down(At(buffer, 4096), 1)[0]), sign * kHidden, 0.5f);
      }
      EXPECT_EQ(AX(axclrtFree)(buffer), AXCL_SUCC);
      EXPECT_EQ(AX(axclrtDestroyContext)(context), AXCL_SUCC);
    });
  }
  for (auto& thread : threads) thread.join();
  axclrtDeviceProperties properties{};
  ASSERT_EQ(AX(axclrtGetDeviceProperties)(card_, &properties), AXCL_SUCC);
  EXPECT_GT(properties.npuLoading, 0u);
}

TEST_F(EngineTest, AnUnknownIsaFailsTheLoad) {
  setenv("AXSIM_ISA", "mmx", 1);
  Open();
  uint64_t id = 0;
  EXPECT_EQ(AX(axclrtEngineLoadFromFile)((folder_ / "post.axmodel").c_str(), &id),
            Code(0x8030070C));
}

}  // namespace
}  // namespace axsim::entry
