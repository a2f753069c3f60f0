// Time through the library: what calls take by the profile, and what they leave alone. Wall-clock
// time is only held against least durations, since a busy machine may take any longer.
#include <time.h>

#include <thread>
#include <vector>

#include "sim/entry/fixture.h"

namespace axsim::entry {
namespace {

constexpr int64_t kExecuteNs = 457'000;  // of a model as small as these
// A thread that woke late before may make up for at most that.
constexpr int64_t kMadeUpNs = 100'000'000;
constexpr char kPi5[] = R"({"profile":"pi5"})";

int64_t NowNs(clockid_t clock = CLOCK_MONOTONIC) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

class TimingTest : public EntryTest {
 protected:
  void SetUp() override {
    EntryTest::SetUp();
    WriteLayerModel(folder_ / "layer.axmodel");
  }
  void OpenAndLoad(const char* config) {
    Open(config);
    ASSERT_EQ(AX(axclrtEngineLoadFromFile)((folder_ / "layer.axmodel").c_str(), &id_), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtEngineCreateContext)(id_, &context_), AXCL_SUCC);
    void* info = nullptr;
    ASSERT_EQ(AX(axclrtEngineGetIOInfo)(id_, &info), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtEngineCreateIO)(info, &io_), AXCL_SUCC);
    for (uint32_t i = 0; i < AX(axclrtEngineGetNumInputs)(info); ++i) {
      const uint64_t size = AX(axclrtEngineGetInputSizeByIndex)(info, 0, i);
      void* buffer = Malloc(size);
      ASSERT_EQ(AX(axclrtMemset)(buffer, 0, size), AXCL_SUCC);
      ASSERT_EQ(AX(axclrtEngineSetInputBufferByIndex)(io_, i, buffer, size), AXCL_SUCC);
    }
    for (uint32_t i = 0; i < AX(axclrtEngineGetNumOutputs)(info); ++i) {
      const uint64_t size = AX(axclrtEngineGetOutputSizeByIndex)(info, 0, i);
      ASSERT_EQ(AX(axclrtEngineSetOutputBufferByIndex)(io_, i, Malloc(size), size), AXCL_SUCC);
    }
  }
  axclError Execute() { return AX(axclrtEngineExecute)(id_, context_, 0, io_); }

  uint64_t id_ = 0;
  uint64_t context_ = 0;
  void* io_ = nullptr;
};

TEST_F(TimingTest, SynchronousCallsTakeTheirTimeAndNoCpu) {
  OpenAndLoad(kPi5);
  constexpr int kExecutes = 500;    // 228 ms
  ASSERT_EQ(Execute(), AXCL_SUCC);  // starts the executor's threads
  const int64_t cpu_ns = NowNs(CLOCK_PROCESS_CPUTIME_ID);
  const int64_t begin_ns = NowNs();
  for (int i = 0; i < kExecutes; ++i) ASSERT_EQ(Execute(), AXCL_SUCC);
  EXPECT_GE(NowNs() - begin_ns, (kExecutes - 1) * kExecuteNs - kMadeUpNs);
  EXPECT_LT(NowNs(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns, kExecutes * kExecuteNs);
}

TEST_F(TimingTest, TheBusTakesItsTime) {
  Open(kPi5);
  std::vector<char> host(42 << 20);
  void* device = Malloc(host.size());
  for (const auto kind : {AXCL_MEMCPY_HOST_TO_DEVICE, AXCL_MEMCPY_DEVICE_TO_HOST}) {
    const bool up = kind == AXCL_MEMCPY_HOST_TO_DEVICE;
    const int64_t begin_ns = NowNs();
    ASSERT_EQ(
        AX(axclrtMemcpy)(up ? device : host.data(), up ? host.data() : device, host.size(), kind),
        AXCL_SUCC);
    EXPECT_GE(NowNs() - begin_ns, 4'000'000);  // 104.9 ms less what may be made up for
  }
}

TEST_F(TimingTest, QueuedWorkIsDoneWhenItsTimeHasPassed) {
  OpenAndLoad(kPi5);
  void* stream = nullptr;
  ASSERT_EQ(AX(axclrtCreateStream)(&stream), AXCL_SUCC);
  constexpr int kExecutes = 600;  // 233 ms
  const int64_t begin_ns = NowNs();
  for (int i = 0; i < kExecutes; ++i) {
    ASSERT_EQ(AX(axclrtEngineExecuteAsync)(id_, context_, 0, io_, stream), AXCL_SUCC);
  }
  // A thread that was kept waiting itself may find them done.
  const int64_t least_ns = kExecutes * (kExecuteNs - 68'000) - kMadeUpNs;
  const axclError looked = AX(axclrtSynchronizeStreamWithTimeout)(stream, 0);
  if (NowNs() - begin_ns < least_ns) {
    EXPECT_EQ(looked, Code(0x80300383));
  }
  ASSERT_EQ(AX(axclrtSynchronizeStream)(stream), AXCL_SUCC);
  EXPECT_GE(NowNs() - begin_ns, least_ns);
  EXPECT_EQ(AX(axclrtDestroyStream)(stream), AXCL_SUCC);
}

// Two threads with a stream each want the NPU at once: their times add up.
TEST_F(TimingTest, TheNpuDoesOneThingAtATime) {
  OpenAndLoad(R"({"profile":"native"})");
  constexpr int kExecutes = 300;
  void* streams[2] = {};
  for (void*& stream : streams) ASSERT_EQ(AX(axclrtCreateStream)(&stream), AXCL_SUCC);
  const int64_t begin_ns = NowNs();
  for (int i = 0; i < kExecutes; ++i) {
    for (void* stream : streams) {
      ASSERT_EQ(AX(axclrtEngineExecuteAsync)(id_, context_, 0, io_, stream), AXCL_SUCC);
    }
  }
  for (void* stream : streams) ASSERT_EQ(AX(axclrtSynchronizeStream)(stream), AXCL_SUCC);
  EXPECT_GE(NowNs() - begin_ns, 2 * kExecutes * kExecuteNs - kMadeUpNs);
}

TEST_F(TimingTest, ProcessesShareTheNpu) {
  constexpr int kExecutes = 600;  // 274 ms by itself
  const auto run = [this] {
    OpenAndLoad(R"({"profile":"native"})");
    for (int i = 0; i < kExecutes && !HasFailure(); ++i) ASSERT_EQ(Execute(), AXCL_SUCC);
  };
  const int64_t begin_ns = NowNs();
  const pid_t child = fork();
  if (child == 0) {
    run();
    _exit(HasFailure() ? 1 : 0);
  }
  run();
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_GE(NowNs() - begin_ns, 2 * kExecutes * kExecuteNs - kMadeUpNs);
}

// A load is under way as long as it takes, with its copy on the card: killed in it, a process
// wedges a card that does so.
TEST_F(TimingTest, ALoadIsUnderWayAsLongAsItTakes) {
  constexpr char kConfig[] = R"({"profile":"pi5","cards":[{"faults":[{"kind":"load_wedges"}]}]})";
  const auto path = folder_ / "post.axmodel";
  const auto load = [&] { return AX(axclrtEngineLoadFromFile)(path.c_str(), &id_); };
  WritePostModel(path, kHidden, 1'000'000);  // 64 MB: 1.3 s
  const uint64_t file_kb = std::filesystem::file_size(path) >> 10;
  int start[2];
  ASSERT_EQ(pipe(start), 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte = 0;
    if (read(start[0], &byte, 1) == 1) Open(kConfig);
    load();
    _exit(1);
  }
  Open(kConfig);
  const uint64_t free_kb = FreeKb();
  EXPECT_EQ(write(start[1], "x", 1), 1);
  int status = -1;
  while (free_kb - FreeKb() < 2 * file_kb && waitpid(child, &status, WNOHANG) == 0) {
    std::this_thread::yield();
  }
  ASSERT_EQ(status, -1) << "it was not seen to load";
  ASSERT_GT(child, 0);  // kill would take -1 for everybody
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, &status, 0), child);
  close(start[0]);
  close(start[1]);
  EXPECT_EQ(load(), Code(0x8030070C));
}

// The busy share is that of the card's time, not of the CPU's few microseconds.
TEST_F(TimingTest, TheNpuLoadIsTheBusyShare) {
  OpenAndLoad(R"({"profile":"native"})");
  uint32_t load = 0;
  for (int round = 0; round < 100 && load < 2500; ++round) {
    for (int i = 0; i < 400; ++i) ASSERT_EQ(Execute(), AXCL_SUCC);
    axclrtDeviceProperties properties{};
    ASSERT_EQ(AX(axclrtGetDeviceProperties)(card_, &properties), AXCL_SUCC);
    load = properties.npuLoading;
    ASSERT_EQ(AX(axclrtSetDevice)(card_), AXCL_SUCC);
  }
  EXPECT_GE(load, 2500u);
}

TEST_F(TimingTest, UnknownProfilesAreRefused) {
  EXPECT_NE(AX(axclInit)(R"({"profile":"pi4"})"), AXCL_SUCC);
  setenv("AXSIM_PROFILE", "fast", 1);
  EXPECT_NE(AX(axclInit)(nullptr), AXCL_SUCC);
  unsetenv("AXSIM_PROFILE");
}

}  // namespace
}  // namespace axsim::entry
