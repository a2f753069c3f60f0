// Queued executes through the library.
#include <vector>

#include "sim/entry/fixture.h"

namespace axsim::entry {
namespace {

constexpr uint32_t kVocab = 24;
constexpr uint64_t kInBytes = kHidden * 2;
constexpr uint64_t kOutBytes = kVocab * 2;

class EngineAsyncTest : public EntryTest {
 protected:
  void SetUp() override {
    EntryTest::SetUp();
    WritePostModel(folder_ / "post.axmodel", kHidden, kVocab);
  }
  void OpenAndLoad() {
    Open();
    ASSERT_EQ(AX(axclrtEngineLoadFromFile)((folder_ / "post.axmodel").c_str(), &id_), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtEngineCreateContext)(id_, &context_), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtEngineGetIOInfo)(id_, &info_), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtEngineCreateIO)(info_, &io_), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtCreateStream)(&stream_), AXCL_SUCC);
  }
  void Bind(void* in, void* out) {
    ASSERT_EQ(AX(axclrtEngineSetInputBufferByIndex)(io_, 0, in, kInBytes), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtEngineSetOutputBufferByIndex)(io_, 0, out, kOutBytes), AXCL_SUCC);
  }
  axclError Queue(void* stream) {
    return AX(axclrtEngineExecuteAsync)(id_, context_, 0, io_, stream);
  }
  // The input of row `i`: its logits differ from those of every other.
  static Bf16s Row(int i) {
    std::vector<float> values(kHidden, 1.0f);
    values[static_cast<size_t>(i)] = -3.0f;
    values[0] = static_cast<float>(i);
    return ToBf16(values);
  }

  uint64_t id_ = 0;
  uint64_t context_ = 0;
  void* info_ = nullptr;
  void* io_ = nullptr;
  void* stream_ = nullptr;
};

// A chain as a server would queue it: one IO, bound anew for each execute, and one wait.
TEST_F(EngineAsyncTest, AChainWithOneWaitGivesTheSameBits) {
  OpenAndLoad();
  constexpr int kLength = 20;
  void* in = Malloc(kLength * kInBytes);
  void* out = Malloc(kLength * kOutBytes);
  void* expected = Malloc(kOutBytes);
  std::vector<Bf16s> rows;
  for (int i = 0; i < kLength; ++i) rows.push_back(Row(i));
  for (int round = 0; round < 5; ++round) {
    ASSERT_EQ(AX(axclrtMemset)(out, 0, kLength * kOutBytes), AXCL_SUCC);
    Bf16s got(kVocab);
    for (int i = 0; i < kLength; ++i) {
      void* row_in = At(in, i * kInBytes);
      ASSERT_EQ(AX(axclrtMemcpyAsync)(row_in, rows[i].data(), kInBytes, AXCL_MEMCPY_HOST_TO_DEVICE,
                                      stream_),
                AXCL_SUCC);
      Bind(row_in, At(out, i * kOutBytes));
      ASSERT_EQ(Queue(stream_), AXCL_SUCC);
    }
    ASSERT_EQ(AX(axclrtMemcpyAsync)(got.data(), At(out, (kLength - 1) * kOutBytes), kOutBytes,
                                    AXCL_MEMCPY_DEVICE_TO_HOST, stream_),
              AXCL_SUCC);
    ASSERT_EQ(AX(axclrtSynchronizeStreamWithTimeout)(stream_, 600'000), AXCL_SUCC);
    for (int i = 0; i < kLength; ++i) {
      Bind(At(in, i * kInBytes), expected);
      ASSERT_EQ(AX(axclrtEngineExecute)(id_, context_, 0, io_), AXCL_SUCC);
      EXPECT_EQ(AX(axclrtMemcmp)(At(out, i * kOutBytes), expected, kOutBytes), AXCL_SUCC) << i;
    }
    EXPECT_EQ(got, Down(expected, kVocab));
    EXPECT_NE(got, Down(out, kVocab));
  }
}

TEST_F(EngineAsyncTest, ArgumentsAreCheckedAtOnce) {
  OpenAndLoad();
  EXPECT_EQ(AX(axclrtEngineExecuteAsync)(0, context_, 0, io_, stream_), Code(0x80300703));
  EXPECT_EQ(AX(axclrtEngineExecuteAsync)(id_, 0, 0, io_, stream_), Code(0x80300703));
  EXPECT_EQ(AX(axclrtEngineExecuteAsync)(id_, context_, 0, nullptr, stream_), Code(0x80300702));
  EXPECT_EQ(AX(axclrtEngineExecuteAsync)(id_, context_, 0, stream_, stream_), Code(0x80300703));
  EXPECT_EQ(Queue(io_), -1);
}

TEST_F(EngineAsyncTest, WithoutAStreamItIsTheDefaultOne) {
  OpenAndLoad();
  void* in = Malloc(kInBytes);
  void* out = Malloc(kOutBytes);
  Up(in, Row(1));
  ASSERT_EQ(AX(axclrtMemset)(out, 0, kOutBytes), AXCL_SUCC);
  Bind(in, out);
  ASSERT_EQ(Queue(nullptr), AXCL_SUCC);
  EXPECT_NE(Down(out, kVocab), Bf16s(kVocab, 0)) << "a synchronous call comes after it";
  ASSERT_EQ(AX(axclrtResetDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(Queue(nullptr), Code(0x80300284));
}

// Whatever is wrong with it, nobody hears of it: the output stays as it was.
TEST_F(EngineAsyncTest, FailuresAreSilent) {
  OpenAndLoad();
  void* in = Malloc(kInBytes);
  void* out = Malloc(kOutBytes);
  Up(in, Row(1));
  ASSERT_EQ(AX(axclrtMemset)(out, 0, kOutBytes), AXCL_SUCC);
  Bind(in, out);
  EXPECT_EQ(AX(axclrtEngineExecuteAsync)(id_ + 100, context_, 0, io_, stream_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtEngineExecuteAsync)(id_, context_ + 100, 0, io_, stream_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtEngineExecuteAsync)(id_, context_, 5, io_, stream_), AXCL_SUCC);
  Bind(this, out);
  EXPECT_EQ(Queue(stream_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(stream_), AXCL_SUCC);
  // A model that is unloaded before its turn comes.
  void* event = nullptr;
  void* other = nullptr;
  ASSERT_EQ(AX(axclrtCreateEvent)(&event), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtCreateStream)(&other), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtStreamWaitEvent)(stream_, event), AXCL_SUCC);
  Bind(in, out);
  EXPECT_EQ(Queue(stream_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtEngineDestroyIO)(io_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtEngineUnload)(id_), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtRecordEvent)(event, other), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(stream_), AXCL_SUCC);
  EXPECT_EQ(Down(out, kVocab), Bf16s(kVocab, 0));
}

}  // namespace
}  // namespace axsim::entry
