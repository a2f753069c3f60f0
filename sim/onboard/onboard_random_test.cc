// Random calls, legal and illegal, of several threads at once: every answer is a documented one,
// nothing crashes, and the memory is what it was at the end.
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <thread>
#include <vector>

#include "base/file.h"
#include "sim/entry/test_models.h"
#include "sim/onboard/fixture.h"

namespace axsim::onboard {
namespace {

constexpr int kThreads = 4;
constexpr int kSteps = 400;
constexpr uint32_t kVocab = 6;
constexpr uint32_t kMaxBlockBytes = 64 << 10;

const std::set<int32_t> kMemoryCodes = {0, AX_ERR_CMM_ILLEGAL_PARAM, AX_ERR_CMM_NULL_PTR,
                                        AX_ERR_CMM_NOMEM, AX_ERR_CMM_FREE_FAIL};
const std::set<int32_t> kEngineCodes = {0, AX_ENGINE_ERR_HANDLE, AX_ENGINE_ERR_NULL,
                                        AX_ENGINE_ERR_INIT, AX_ENGINE_ERR_RUN};

// One program's thread: what it holds, and what it does next.
class Actor {
 public:
  Actor(uint32_t seed, const std::string* model) : random_(seed), model_(model) {}

  // How many executes succeeded.
  int Run() {
    for (int step = 0; step < kSteps; ++step) Step();
    while (!handles_.empty()) Destroy();
    for (const Block& block : blocks_) EXPECT_EQ(SYS(MemFree)(block.physical, block.virt), 0);
    return ran_;
  }

 private:
  uint32_t Below(uint32_t end) { return static_cast<uint32_t>(random_()) % end; }
  // Most often a handle that is there, sometimes one that was, or never was.
  AX_ENGINE_HANDLE AnyHandle() {
    if (!handles_.empty() && Below(4) != 0) return handles_[Below(Count(handles_))].handle;
    return gone_ != nullptr && Below(2) == 0 ? gone_ : reinterpret_cast<void*>(random_());
  }
  AX_ENGINE_CONTEXT_T AnyContext() {
    if (!handles_.empty() && Below(4) != 0) return handles_[Below(Count(handles_))].context;
    return reinterpret_cast<void*>(random_());
  }
  template <typename T>
  static uint32_t Count(const std::vector<T>& all) {
    return static_cast<uint32_t>(all.size());
  }
  static void Memory(int32_t code) { EXPECT_TRUE(kMemoryCodes.contains(code)) << std::hex << code; }
  static void Engine(int32_t code) { EXPECT_TRUE(kEngineCodes.contains(code)) << std::hex << code; }

  void Step() {
    switch (Below(10)) {
      case 0:
      case 1:
        return Alloc();
      case 2:
        return FreeOne();
      case 3:
        return TouchOne();
      case 4:
        return Load();
      case 5:
        return Destroy();
      case 6:
      case 7:
        return Execute();
      case 8:
        return Ask();
      default:
        return Nonsense();
    }
  }
  void Alloc() {
    Block block;
    const uint32_t align = 1u << Below(13);
    if (SYS(MemAlloc)(&block.physical, &block.virt, 1 + Below(kMaxBlockBytes), align, nullptr) ==
        0) {
      EXPECT_EQ(block.physical % align, 0u);
      blocks_.push_back(block);
    }
  }
  void FreeOne() {
    if (blocks_.empty()) return;
    const uint32_t i = Below(Count(blocks_));
    EXPECT_EQ(SYS(MemFree)(blocks_[i].physical, blocks_[i].virt), 0);
    Memory(SYS(MemFree)(blocks_[i].physical, blocks_[i].virt));
    blocks_.erase(blocks_.begin() + i);
  }
  void TouchOne() {
    if (blocks_.empty()) return;
    const Block& block = blocks_[Below(Count(blocks_))];
    static_cast<char*>(block.virt)[0] = 1;
    Memory(SYS(MflushCache)(block.physical, block.virt, Below(2 * kMaxBlockBytes)));
    Memory(SYS(MinvalidateCache)(block.physical + Below(64), block.virt, 1));
  }
  void Load() {
    if (handles_.size() >= 3) return;
    Loaded loaded;
    const uint32_t size = static_cast<uint32_t>(model_->size()) - (Below(3) == 0 ? Below(64) : 0);
    const int32_t code = ENGINE(CreateHandle)(&loaded.handle, model_->data(), size);
    Engine(code);
    if (code != 0) return;
    EXPECT_EQ(ENGINE(CreateContextV2)(loaded.handle, &loaded.context), 0);
    if (Below(2) == 0) Engine(ENGINE(CreateContext)(loaded.handle));
    handles_.push_back(loaded);
  }
  void Destroy() {
    if (handles_.empty()) return;
    const uint32_t i = Below(Count(handles_));
    gone_ = handles_[i].handle;
    EXPECT_EQ(ENGINE(DestroyHandle)(gone_), 0);
    EXPECT_EQ(ENGINE(DestroyHandle)(gone_), AX_ENGINE_ERR_HANDLE);
    handles_.erase(handles_.begin() + i);
  }
  void Execute() {
    AX_ENGINE_IO_BUFFER_T input{};
    AX_ENGINE_IO_BUFFER_T output{};
    for (AX_ENGINE_IO_BUFFER_T* const buffer : {&input, &output}) {
      const bool bound = !blocks_.empty() && Below(8) != 0;
      buffer->phyAddr = bound ? blocks_[Below(Count(blocks_))].physical + 2 * Below(8) : random_();
      buffer->nSize = Below(8) == 0 ? Below(256) : 1024;
    }
    AX_ENGINE_IO_T io{};
    io.pInputs = Below(16) == 0 ? nullptr : &input;
    io.nInputSize = Below(16) == 0 ? 0 : 1;
    io.pOutputs = &output;
    io.nOutputSize = 1;
    const int32_t code = Below(3) == 0
                             ? ENGINE(RunSync)(AnyHandle(), &io)
                             : ENGINE(RunGroupIOSync)(AnyHandle(), AnyContext(), Below(3), &io);
    Engine(code);
    if (code == 0) ++ran_;
  }
  void Ask() {
    uint32_t count = 0;
    AX_ENGINE_IO_INFO_T* info = nullptr;
    AX_ENGINE_CMM_INFO usage{};
    AX_CMM_STATUS_T status{};
    Engine(ENGINE(GetGroupIOInfoCount)(AnyHandle(), &count));
    Engine(ENGINE(GetGroupIOInfo)(AnyHandle(), Below(3), &info));
    Engine(ENGINE(GetCMMUsage)(AnyHandle(), &usage));
    Engine(ENGINE(SetAffinity)(AnyHandle(), Below(16)));
    Memory(SYS(MemQueryStatus)(&status));
    EXPECT_LE(status.RemainSize, status.TotalSize);
  }
  void Nonsense() {
    uint64_t physical = random_();
    Engine(ENGINE(CreateHandle)(nullptr, model_->data(), 8));
    Engine(ENGINE(RunSync)(AnyHandle(), nullptr));
    Engine(ENGINE(GetIOInfo)(AnyHandle(), nullptr));
    Memory(SYS(MemFree)(physical, &physical));
    Memory(SYS(MflushCache)(physical, &physical, 8));
    Memory(SYS(MemAlloc)(&physical, nullptr, 64, 128, nullptr));
  }

  struct Loaded {
    AX_ENGINE_HANDLE handle = nullptr;
    AX_ENGINE_CONTEXT_T context = nullptr;
  };
  std::mt19937_64 random_;
  const std::string* const model_;
  std::vector<Block> blocks_;
  std::vector<Loaded> handles_;
  AX_ENGINE_HANDLE gone_ = nullptr;  // the last one destroyed
  int ran_ = 0;
};

TEST_F(OnboardTest, RandomCallsOfSeveralThreads) {
  Configure(R"({"cards":[{"id":1,"cmm_mib":32}]})");  // 14 MiB are free
  setenv("AXOLLAMA_LOG", "off", 1);                   // a line for every call that is refused
  Open();
  const uint32_t before_kb = RemainKb();
  entry::WritePostModel(folder_ / "post.axmodel", entry::kHidden, kVocab);
  const auto model = axollama::ReadFile(folder_ / "post.axmodel");
  ASSERT_TRUE(model);
  std::vector<std::thread> threads;
  for (uint32_t seed = 1; seed <= kThreads; ++seed) {
    threads.emplace_back([seed, &model] { EXPECT_GT(Actor(seed, &*model).Run(), 0); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(RemainKb(), before_kb);
  AX_CMM_STATUS_T status{};
  ASSERT_EQ(SYS(MemQueryStatus)(&status), 0);
  EXPECT_EQ(status.BlockCnt, 0u);
  unsetenv("AXOLLAMA_LOG");
}

}  // namespace
}  // namespace axsim::onboard
