// Faults, as a program sees them: what each call returns, and what heals the card.
#include <chrono>
#include <cmath>
#include <thread>

#include "sim/entry/fixture.h"
#include "sim/faults/board.h"

namespace axsim::entry {
namespace {

constexpr uint32_t kOutputs = 24;

constexpr axclError kExecuteFailed = Code(0x8030070C);
constexpr axclError kNoRoom = Code(0x8030050C);
constexpr axclError kNoCard = Code(0x80300181);
constexpr axclError kTaskFailed = Code(0x8030040C);

// A card with one loaded post model, ready to execute.
class FaultTest : public EntryTest {
 protected:
  void SetUp() override {
    EntryTest::SetUp();
    path_ = (folder_ / "post.axmodel").string();
    WritePostModel(path_, kHidden, kOutputs);
  }

  // Faults of the running card, as `axollama sim fault` gives them.
  void Give(const char* text, int32_t card_id = 1) {
    const auto object = axollama::json::ParseObject(text, "the fault");
    ASSERT_TRUE(object) << object.error().message;
    const auto fault = faults::ParseFault(*object);
    ASSERT_TRUE(fault) << fault.error().message;
    ASSERT_TRUE(Board(card_id)->Add(*fault));
  }
  std::unique_ptr<faults::Board> Board(int32_t card_id = 1) {
    auto board = faults::Board::Open(folder_ / "state", card_id, {});
    if (!board) abort();
    return std::move(*board);
  }

  axclError Load() {
    if (const axclError code = AX(axclrtEngineLoadFromFile)(path_.c_str(), &model_)) return code;
    return AX(axclrtEngineCreateContext)(model_, &context_);
  }
  // Opens the card and binds a loaded model.
  void Prepare(const char* config = nullptr) {
    Open(config);
    Bind();
  }
  void Bind() {
    ASSERT_EQ(Load(), AXCL_SUCC);
    axclrtEngineIOInfo info = nullptr;
    ASSERT_EQ(AX(axclrtEngineGetIOInfo)(model_, &info), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtEngineCreateIO)(info, &io_), AXCL_SUCC);
    void* input = Malloc(kHidden * 2);
    output_ = Malloc(kOutputs * 2);
    Up(input, Bf16s(kHidden, axollama::FloatToBf16(1)));
    ASSERT_EQ(AX(axclrtEngineSetInputBufferByIndex)(io_, 0, input, kHidden * 2), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtEngineSetOutputBufferByIndex)(io_, 0, output_, kOutputs * 2), AXCL_SUCC);
    Forget();
  }
  axclError Execute() { return AX(axclrtEngineExecute)(model_, context_, 0, io_); }
  axclError Queue(void* stream) {
    return AX(axclrtEngineExecuteAsync)(model_, context_, 0, io_, stream);
  }
  void Forget() { ASSERT_EQ(AX(axclrtMemset)(output_, 0, kOutputs * 2), AXCL_SUCC); }
  bool Computed() { return Down(output_, kOutputs) != Bf16s(kOutputs, 0); }
  axclError Again() {
    AX(axclrtResetDevice)(card_);
    if (const axclError code = AX(axclrtSetDevice)(card_)) return code;
    return AX(axclrtEngineInit)(AXCL_VNPU_DISABLE);
  }
  std::vector<int32_t> Cards(axclError expected = AXCL_SUCC) {
    axclrtDeviceList list{};
    EXPECT_EQ(AX(axclrtGetDeviceList)(&list), expected);
    return {list.devices, list.devices + list.num};
  }

  std::string path_;
  uint64_t model_ = 0;
  uint64_t context_ = 0;
  axclrtEngineIO io_ = nullptr;
  void* output_ = nullptr;
};

TEST_F(FaultTest, ExecutesFailFromTheNthOnSoOften) {
  Prepare(R"({"cards":[{"faults":[{"kind":"execute_error","nth":3,"count":2},
                                  {"kind":"execute_error","nth":6,"code":"0x80300708"}]}]})");
  std::vector<axclError> codes;
  for (int i = 0; i < 7; ++i) codes.push_back(Execute());
  EXPECT_EQ(codes,
            (std::vector<axclError>{0, 0, kExecuteFailed, kExecuteFailed, 0, Code(0x80300708), 0}));
}

TEST_F(FaultTest, AFailedExecuteComputesNothing) {
  Prepare();
  Give(R"({"kind":"execute_error"})");
  EXPECT_EQ(Execute(), kExecuteFailed);
  EXPECT_FALSE(Computed());
  EXPECT_EQ(Execute(), AXCL_SUCC);
  EXPECT_TRUE(Computed());
}

TEST_F(FaultTest, FaultsReachARunningProcessAndItsStreams) {
  Prepare();
  void* stream = nullptr;
  ASSERT_EQ(AX(axclrtCreateStream)(&stream), AXCL_SUCC);
  Give(R"({"kind":"silent_async"})");
  EXPECT_EQ(Execute(), AXCL_SUCC);  // it is not queued
  Forget();
  EXPECT_EQ(Queue(stream), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(stream), AXCL_SUCC);
  EXPECT_FALSE(Computed());
  EXPECT_EQ(Queue(stream), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(stream), AXCL_SUCC);
  EXPECT_TRUE(Computed());
}

TEST_F(FaultTest, AnOldLibraryHasNoAsynchronousExecutes) {
  Prepare(R"({"cards":[{"faults":[{"kind":"async_unsupported"}]}]})");
  void* stream = nullptr;
  ASSERT_EQ(AX(axclrtCreateStream)(&stream), AXCL_SUCC);
  for (void* where : {stream, static_cast<void*>(nullptr)}) {
    EXPECT_EQ(Queue(where), AXCL_ERR_UNSUPPORT);
  }
  EXPECT_EQ(Execute(), AXCL_SUCC);
}

TEST_F(FaultTest, AHangThatEndsIsAFailedExecute) {
  Prepare();
  void* stream = nullptr;
  ASSERT_EQ(AX(axclrtCreateStream)(&stream), AXCL_SUCC);
  Give(R"({"kind":"hang","for_ms":20,"count":2})");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(Execute(), kExecuteFailed);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(20));
  EXPECT_EQ(Queue(stream), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(stream), AXCL_SUCC);
  EXPECT_FALSE(Computed());
  EXPECT_EQ(Execute(), AXCL_SUCC);
}

// Each way out of a hang: the faults are cleared, the card is rebooted, the device is reset.
TEST_F(FaultTest, AHangForEverEndsWithAResetOfAnyKind) {
  for (int way = 0; way < 3; ++way) {
    Prepare();
    void* stream = nullptr;
    ASSERT_EQ(AX(axclrtCreateStream)(&stream), AXCL_SUCC);
    Give(R"({"kind":"hang"})");
    ASSERT_EQ(Queue(stream), AXCL_SUCC);
    EXPECT_EQ(AX(axclrtSynchronizeStreamWithTimeout)(stream, 30), Code(0x80300383));
    if (way == 0) Board()->Reset();
    if (way == 1) AX(axclrtRebootDevice)(card_);
    if (way == 2) AX(axclrtResetDevice)(card_);
    EXPECT_EQ(AX(axclrtSynchronizeDevice)(), AXCL_SUCC);
    ASSERT_EQ(Again(), AXCL_SUCC);
    Bind();
    EXPECT_EQ(Execute(), AXCL_SUCC);
    while (AX(axclFinalize)() == AXCL_SUCC) {
    }
  }
}

// Whoever ends the stream waits for what runs on it, and exit() ends all of them.
TEST_F(FaultTest, AHangForEverEndsWithItsStreamAndItsProgram) {
  const auto hang = [this] {
    Prepare();
    void* stream = nullptr;
    Give(R"({"kind":"hang"})");
    if (AX(axclrtCreateStream)(&stream) != AXCL_SUCC || Queue(stream) != AXCL_SUCC) abort();
    while (Board()->List().back().fired == 0) std::this_thread::yield();
    return stream;
  };
  const pid_t child = fork();
  if (child == 0) {
    exit(hang() != nullptr && !HasFailure() ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(AX(axclrtDestroyStreamForce)(hang()), AXCL_SUCC);
  EXPECT_EQ(Execute(), AXCL_SUCC);
}

TEST_F(FaultTest, ASlowCardTakesLongerAndComputesTheSame) {
  Prepare();
  Give(R"({"kind":"slow","factor":3})");
  EXPECT_EQ(Execute(), AXCL_SUCC);
  EXPECT_TRUE(Computed());
  EXPECT_EQ(Board()->List()[0].fired, 1u);
}

TEST_F(FaultTest, TheKthAllocationFindsNoRoom) {
  Open();
  const uint64_t free_kb = FreeKb();
  Give(R"({"kind":"out_of_memory","nth":2})");
  void* first = Malloc(kMiB);
  void* second = nullptr;
  EXPECT_EQ(AX(axclrtMalloc)(&second, kMiB, AXCL_MEM_MALLOC_HUGE_FIRST), kNoRoom);
  EXPECT_EQ(AX(axclrtFree)(first), AXCL_SUCC);
  Give(R"({"kind":"out_of_memory"})");
  EXPECT_EQ(Load(), kNoRoom);
  EXPECT_EQ(FreeKb(), free_kb);
  EXPECT_EQ(Load(), AXCL_SUCC);
}

TEST_F(FaultTest, CorruptedReadsAreTheSameForTheSameSeed) {
  Open();
  const std::vector<uint8_t> right(1000, 7);
  void* device = Malloc(right.size());
  ASSERT_EQ(AX(axclrtMemset)(device, 7, right.size()), AXCL_SUCC);
  const auto read = [&] {
    std::vector<uint8_t> bytes(right.size());
    EXPECT_EQ(AX(axclrtMemcpy)(bytes.data(), device, bytes.size(), AXCL_MEMCPY_DEVICE_TO_HOST),
              AXCL_SUCC);
    return bytes;
  };
  const auto corrupted = [&](const char* fault) {
    Give(fault);
    return read();
  };
  const auto first = corrupted(R"({"kind":"corrupt_read","seed":5})");
  EXPECT_EQ(read(), right);
  int wrong = 0;
  for (size_t i = 0; i < right.size(); ++i) wrong += first[i] != right[i] ? 1 : 0;
  EXPECT_EQ(wrong, 4);  // one in 256
  EXPECT_EQ(corrupted(R"({"kind":"corrupt_read","seed":5})"), first);
  EXPECT_NE(corrupted(R"({"kind":"corrupt_read","seed":6})"), first);
}

TEST_F(FaultTest, ADisconnectedCardIsGoneUntilItIsReset) {
  Prepare();
  void* memory = Malloc(kMiB);
  void* stream = nullptr;
  ASSERT_EQ(AX(axclrtCreateStream)(&stream), AXCL_SUCC);
  Give(R"({"kind":"disconnect","nth":2})");
  EXPECT_EQ(AX(axclrtMemset)(memory, 0, 1), AXCL_SUCC);
  EXPECT_EQ(Execute(), kExecuteFailed);
  EXPECT_EQ(AX(axclrtMemset)(memory, 0, 1), kNoRoom);
  EXPECT_EQ(AX(axclrtMemsetAsync)(memory, 0, 1, stream), kTaskFailed);
  EXPECT_EQ(AX(axclrtSynchronizeStream)(stream), kTaskFailed);
  EXPECT_TRUE(Cards(kNoCard).empty());
  axclrtDeviceProperties properties{};
  EXPECT_EQ(AX(axclrtGetDeviceProperties)(card_, &properties), kNoCard);
  EXPECT_EQ(AX(axclrtSetDevice)(card_), kNoCard);
  ASSERT_EQ(AX(axclFinalize)(), AXCL_SUCC);
  EXPECT_EQ(AX(axclInit)(nullptr), kNoCard);
  Board()->Reset();
  Prepare();
  EXPECT_EQ(Execute(), AXCL_SUCC);
  EXPECT_EQ(Cards(), std::vector<int32_t>{1});
}

TEST_F(FaultTest, ACardMayComeBackByItselfOrByAReboot) {
  Prepare();
  Give(R"({"kind":"disconnect","for_ms":0})");
  EXPECT_EQ(Execute(), kExecuteFailed);  // what it held is gone
  EXPECT_EQ(Cards(), std::vector<int32_t>{1});
  ASSERT_EQ(Again(), AXCL_SUCC);
  Bind();
  Give(R"({"kind":"disconnect"})");
  EXPECT_EQ(Execute(), kExecuteFailed);
  EXPECT_TRUE(Cards(kNoCard).empty());
  EXPECT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(Cards(), std::vector<int32_t>{1});
}

TEST_F(FaultTest, OneCardOfTwoMayGo) {
  Open(R"({"cards":[{"id":1},{"id":129}]})");
  Give(R"({"kind":"disconnect"})");
  EXPECT_EQ(Cards(), std::vector<int32_t>{129});
  EXPECT_EQ(AX(axclrtSetDevice)(1), Code(0x80300184));
  EXPECT_EQ(AX(axclrtSetDevice)(129), AXCL_SUCC);
  EXPECT_NE(Malloc(kMiB), nullptr);
}

TEST_F(FaultTest, ACardWithoutAHeartbeatIsListedAndDoesNotAnswer) {
  Prepare();
  Give(R"({"kind":"heartbeat_loss"})");
  EXPECT_EQ(Execute(), kExecuteFailed);
  EXPECT_EQ(Cards(), std::vector<int32_t>{1});
  axclrtDeviceProperties properties{};
  EXPECT_EQ(AX(axclrtGetDeviceProperties)(card_, &properties), Code(0x80300180));
  EXPECT_EQ(Again(), Code(0x80300182));
  EXPECT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
  ASSERT_EQ(Again(), AXCL_SUCC);
  Bind();
  EXPECT_EQ(Execute(), AXCL_SUCC);
}

TEST_F(FaultTest, WhatNeedsAResetIsHealedByOne) {
  Prepare();
  Give(R"({"kind":"needs_reset","nth":2})");
  EXPECT_EQ(Execute(), AXCL_SUCC);
  EXPECT_EQ(Execute(), kExecuteFailed);
  EXPECT_EQ(Execute(), kExecuteFailed);
  EXPECT_EQ(Load(), kExecuteFailed);
  ASSERT_EQ(Again(), AXCL_SUCC);
  Bind();
  EXPECT_EQ(Execute(), AXCL_SUCC);
}

TEST_F(FaultTest, WhatNeedsARebootIsHealedByNothingElse) {
  Prepare();
  Give(R"({"kind":"needs_reboot"})");
  EXPECT_EQ(Execute(), kExecuteFailed);
  ASSERT_EQ(Again(), AXCL_SUCC);
  EXPECT_EQ(Load(), kExecuteFailed);
  ASSERT_EQ(AX(axclFinalize)(), AXCL_SUCC);
  Open();
  EXPECT_EQ(Load(), kExecuteFailed);
  ASSERT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
  ASSERT_EQ(Again(), AXCL_SUCC);
  Bind();
  EXPECT_EQ(Execute(), AXCL_SUCC);
}

TEST_F(FaultTest, RebootsMayFailOrNotHelp) {
  Prepare();
  Give(R"({"kind":"needs_reboot"})");
  EXPECT_EQ(Execute(), kExecuteFailed);
  Give(R"({"kind":"reboot_fails","code":"0x80300187","count":1})");
  EXPECT_EQ(AX(axclrtRebootDevice)(card_), Code(0x80300187));
  EXPECT_NE(Malloc(1), nullptr);  // nothing happened
  Give(R"({"kind":"reboot_fails","count":1})");
  EXPECT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
  ASSERT_EQ(Again(), AXCL_SUCC);
  EXPECT_EQ(Load(), kExecuteFailed);
  EXPECT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
  ASSERT_EQ(Again(), AXCL_SUCC);
  EXPECT_EQ(Load(), AXCL_SUCC);
}

TEST_F(FaultTest, ARebootMayChangeTheId) {
  Open(R"({"cards":[{"id":255},{"id":1}]})");
  Give(R"({"kind":"reorder_ids"})", 255);
  axclrtDeviceProperties before{};
  ASSERT_EQ(AX(axclrtGetDeviceProperties)(255, &before), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtRebootDevice)(255), AXCL_SUCC);
  EXPECT_EQ(Cards(), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(AX(axclrtSetDevice)(255), Code(0x80300184));
  ASSERT_EQ(AX(axclrtSetDevice)(2), AXCL_SUCC);
  int32_t id = 0;
  EXPECT_EQ(AX(axclrtGetDevice)(&id), AXCL_SUCC);
  EXPECT_EQ(id, 2);
  axclrtDeviceProperties after{};
  ASSERT_EQ(AX(axclrtGetDeviceProperties)(2, &after), AXCL_SUCC);
  EXPECT_EQ(after.uid, before.uid);
  EXPECT_EQ(after.pciBusID, 2u);
}

// One thread loads while another's execute hangs: whichever looks second sees the other.
TEST_F(FaultTest, ALoadBesideAnExecuteWedgesSuchACard) {
  Prepare();
  void* stream = nullptr;
  ASSERT_EQ(AX(axclrtCreateStream)(&stream), AXCL_SUCC);
  Give(R"({"kind":"load_wedges"})");
  uint64_t second = 0;
  EXPECT_EQ(AX(axclrtEngineLoadFromFile)(path_.c_str(), &second), AXCL_SUCC);
  EXPECT_EQ(Execute(), AXCL_SUCC);
  Give(R"({"kind":"hang"})");
  ASSERT_EQ(Queue(stream), AXCL_SUCC);
  while (Board()->List()[1].fired == 0) std::this_thread::yield();
  EXPECT_EQ(AX(axclrtEngineLoadFromFile)(path_.c_str(), &second), kExecuteFailed);
  ASSERT_EQ(Again(), AXCL_SUCC);
  EXPECT_EQ(Load(), kExecuteFailed);
  ASSERT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
  ASSERT_EQ(Again(), AXCL_SUCC);
  Bind();
  EXPECT_EQ(Execute(), AXCL_SUCC);
}

TEST_F(FaultTest, ACardThatHangsDoesNotHoldUpAnother) {
  Prepare(R"({"cards":[{"id":1},{"id":2}]})");
  void* stream = nullptr;
  ASSERT_EQ(AX(axclrtCreateStream)(&stream), AXCL_SUCC);
  Give(R"({"kind":"hang"})");
  ASSERT_EQ(Queue(stream), AXCL_SUCC);
  while (Board()->List()[0].fired == 0) std::this_thread::yield();
  ASSERT_EQ(AX(axclrtSetDevice)(2), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtEngineInit)(AXCL_VNPU_DISABLE), AXCL_SUCC);
  Bind();
  EXPECT_EQ(Execute(), AXCL_SUCC);
  EXPECT_TRUE(Computed());
}

TEST_F(FaultTest, CardsHaveFaultsAndMemoryOfTheirOwn) {
  Open(R"({"cards":[{"id":1,"cmm_mib":100,"faults":[{"kind":"out_of_memory","count":0}]},
                    {"id":2,"cmm_mib":200}]})");
  void* memory = nullptr;
  EXPECT_EQ(AX(axclrtMalloc)(&memory, kMiB, AXCL_MEM_MALLOC_HUGE_FIRST), kNoRoom);
  ASSERT_EQ(AX(axclrtSetDevice)(2), AXCL_SUCC);
  EXPECT_NE(Malloc(150 * kMiB), nullptr);
  card_ = 1;
  EXPECT_EQ(FreeKb(), (100 - 18) * 1024u);
}

}  // namespace
}  // namespace axsim::entry
