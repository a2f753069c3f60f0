// Plays random legal and illegal calls on the simulated card in a process of its own, for tests
// that kill it or reboot the card under it.
//
//   card_player LIBRARY SEED STEPS JOURNAL MODEL END
// JOURNAL is a file with room for a Journal, MODEL a post model of kHidden columns (fixture.h).
// END: `free` frees everything in the vendor's order, `leave` ends without, `lost` too, and
// the card may be rebooted meanwhile. Exit code 0: every call returned what it should, and every
// byte was what was written.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "abi/axcl.h"
#include "sim/entry/helper/journal.h"

namespace {

using axsim::entry::Journal;

constexpr axclError Code(uint32_t code) { return static_cast<axclError>(code); }
constexpr axclError kNoRoom = Code(0x8030050C);
constexpr axclError kNotDevice = Code(0x80300581);
constexpr axclError kIllegal = Code(0x80300703);
constexpr axclError kUnbound = Code(0x80300284);
constexpr uint64_t kPageBytes = 4096;
constexpr size_t kMostBlockBytes = 50'000;
constexpr size_t kMostBlocks = 8;

// What calls return when the card was rebooted under them; the last two where another thread has
// set the device since, which ends the old contexts.
constexpr axclError kLost[] = {kNoRoom, Code(0x8030070C), Code(0x8030040C), Code(0x80300381),
                               -1,      kUnbound,         Code(0x80300283)};

void* library = nullptr;

#define AX(name) (reinterpret_cast<decltype(&::name)>(dlsym(library, #name)))

struct Arguments {
  uint32_t seed = 0;
  uint64_t steps = 0;
  Journal* journal = nullptr;
  const char* model = nullptr;
  uint64_t model_bytes = 0;
  bool frees = false;
  bool may_be_lost = false;
  int32_t card = 0;
};

uint64_t PageRound(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

// One thread, in a context of its own.
class Player {
 public:
  Player(const Arguments& arguments, uint32_t number)
      : arguments_(arguments),
        note_(arguments.journal->threads[number]),
        random_(arguments.seed * Journal::kThreads + number) {}

  bool Play() {
    Check(__LINE__, AX(axclrtCreateContext)(&context_, arguments_.card));
    Check(__LINE__, AX(axclrtCreateStream)(&stream_));
    Load();
    for (uint64_t step = 0; step < arguments_.steps && right_ && !lost_; ++step) {
      Step();
      arguments_.journal->steps.fetch_add(1);
    }
    if (arguments_.frees && right_) {
      while (!blocks_.empty()) Free(blocks_.size() - 1);
      Unload();
      Check(__LINE__, AX(axclrtDestroyStream)(stream_));
      Check(__LINE__, AX(axclrtDestroyContext)(context_));
    }
    return right_;
  }

 private:
  struct Block {
    char* device = nullptr;
    std::vector<char> bytes;  // what it holds
  };

  uint32_t Pick(uint32_t count) { return static_cast<uint32_t>(random_() % count); }

  void Check(int line, axclError code, axclError expected = AXCL_SUCC) {
    if (code == expected || lost_) return;
    if (arguments_.may_be_lost &&
        std::find(std::begin(kLost), std::end(kLost), code) != std::end(kLost)) {
      lost_ = true;
      return;
    }
    Wrong(line, code, expected);
  }
  void Wrong(int line, axclError code, axclError expected) {
    std::fprintf(stderr, "card_player seed %u line %d: %08x, not %08x\n", arguments_.seed, line,
                 static_cast<uint32_t>(code), static_cast<uint32_t>(expected));
    right_ = false;
  }

  // Around a call that changes what is held.
  void Expect(uint64_t low, uint64_t high) {
    note_.low.store(std::min(low, held_));
    note_.high.store(std::max(high, held_));
  }
  void Hold(uint64_t bytes) {
    held_ = bytes;
    note_.low.store(bytes);
    note_.high.store(bytes);
  }

  void Allocate() {
    Block block;
    block.bytes.assign(1 + Pick(kMostBlockBytes), static_cast<char>(random_()));
    const uint64_t size = PageRound(block.bytes.size());
    void* device = nullptr;
    Expect(held_, held_ + size);
    const axclError code =
        AX(axclrtMalloc)(&device, block.bytes.size(), AXCL_MEM_MALLOC_HUGE_FIRST);
    Hold(held_ + (code == AXCL_SUCC ? size : 0));
    Check(__LINE__, code);
    if (code != AXCL_SUCC) return;
    block.device = static_cast<char*>(device);
    Check(__LINE__,
          AX(axclrtMemset)(device, static_cast<uint8_t>(block.bytes[0]), block.bytes.size()));
    blocks_.push_back(std::move(block));
  }

  void Free(size_t index) {
    const uint64_t size = PageRound(blocks_[index].bytes.size());
    char* const device = blocks_[index].device;
    Check(__LINE__, AX(axclrtFree)(device + 1), kNotDevice);
    Expect(held_ - size, held_);
    const axclError code = AX(axclrtFree)(device);
    Hold(held_ - (code == AXCL_SUCC ? size : 0));
    Check(__LINE__, code);
    Check(__LINE__, AX(axclrtFree)(device), kNotDevice);
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void Load() {
    const uint64_t size = PageRound(arguments_.model_bytes);
    Expect(held_, held_ + 2 * size);  // the transient copy
    const axclError code = AX(axclrtEngineLoadFromFile)(arguments_.model, &model_);
    Hold(held_ + (code == AXCL_SUCC ? size : 0));
    Check(__LINE__, code);
    if (code != AXCL_SUCC) return;
    Check(__LINE__, AX(axclrtEngineCreateContext)(model_, &engine_context_));
    void* info = nullptr;
    Check(__LINE__, AX(axclrtEngineGetIOInfo)(model_, &info));
    Check(__LINE__, AX(axclrtEngineCreateIO)(info, &io_));
    in_bytes_ = AX(axclrtEngineGetInputSizeByIndex)(info, 0, 0);
    out_bytes_ = AX(axclrtEngineGetOutputSizeByIndex)(info, 0, 0);
    AX(axclrtEngineDestroyIOInfo)(info);
  }

  void Unload() {
    const uint64_t size = PageRound(arguments_.model_bytes);
    AX(axclrtEngineDestroyIO)(io_);
    Expect(held_ - size, held_);
    const axclError code = AX(axclrtEngineUnload)(model_);
    Hold(held_ - (code == AXCL_SUCC ? size : 0));
    Check(__LINE__, code);
    Check(__LINE__, AX(axclrtEngineUnload)(model_), -1);
  }

  // Reads the whole block back.
  void Verify(const Block& block) {
    std::vector<char> bytes(block.bytes.size());
    const axclError code =
        AX(axclrtMemcpy)(bytes.data(), block.device, bytes.size(), AXCL_MEMCPY_DEVICE_TO_HOST);
    Check(__LINE__, code);
    if (code == AXCL_SUCC && bytes != block.bytes) Wrong(__LINE__, 1, 0);
  }

  void Write(Block& block) {
    const size_t at = Pick(static_cast<uint32_t>(block.bytes.size()));
    const char value = static_cast<char>(random_());
    const size_t count = block.bytes.size() - at;
    const std::vector<char> bytes(count, value);
    if (Pick(2) == 0) {
      Check(__LINE__,
            AX(axclrtMemcpy)(block.device + at, bytes.data(), count, AXCL_MEMCPY_HOST_TO_DEVICE));
    } else {
      Check(__LINE__,
            AX(axclrtMemsetAsync)(block.device + at, static_cast<uint8_t>(value), count, stream_));
      Check(__LINE__, AX(axclrtSynchronizeStreamWithTimeout)(stream_, 600'000));
    }
    std::fill(block.bytes.begin() + static_cast<std::ptrdiff_t>(at), block.bytes.end(), value);
  }

  // The same input gives the same output, whoever else executes.
  void Execute(bool queued) {
    if (blocks_.size() < 2 || blocks_[0].bytes.size() < in_bytes_ ||
        blocks_[1].bytes.size() < out_bytes_) {
      return;
    }
    Block& in = blocks_[0];
    Block& out = blocks_[1];
    std::fill_n(in.bytes.begin(), in_bytes_, char{0x3f});  // bf16 0.746
    Check(__LINE__, AX(axclrtMemset)(in.device, 0x3f, in_bytes_));
    Check(__LINE__, AX(axclrtEngineSetInputBufferByIndex)(io_, 0, in.device, in_bytes_));
    Check(__LINE__, AX(axclrtEngineSetOutputBufferByIndex)(io_, 0, out.device, out_bytes_));
    if (queued) {
      Check(__LINE__, AX(axclrtEngineExecuteAsync)(model_, engine_context_, 0, io_, stream_));
      Check(__LINE__, AX(axclrtSynchronizeStream)(stream_));
    } else {
      Check(__LINE__, AX(axclrtEngineExecute)(model_, engine_context_, 0, io_));
    }
    std::vector<char> result(out_bytes_);
    Check(__LINE__,
          AX(axclrtMemcpy)(result.data(), out.device, out_bytes_, AXCL_MEMCPY_DEVICE_TO_HOST));
    if (lost_) return;
    if (expected_.empty()) expected_ = result;
    if (result != expected_) Wrong(__LINE__, 1, 0);
    std::copy(result.begin(), result.end(), out.bytes.begin());
  }

  void Rebind() { Check(__LINE__, AX(axclrtSetCurrentContext)(context_)); }

  void Mistake() {
    char host[8] = {};
    void* nothing = nullptr;
    switch (Pick(12)) {
      case 0:
        return Check(__LINE__, AX(axclrtMalloc)(&nothing, 0, AXCL_MEM_MALLOC_HUGE_FIRST), kNoRoom);
      case 1:
        return Check(__LINE__,
                     AX(axclrtMalloc)(&nothing, size_t{1} << 40, AXCL_MEM_MALLOC_HUGE_FIRST),
                     kNoRoom);
      case 2:
        return Check(__LINE__, AX(axclrtFree)(host), kNotDevice);
      case 3:
        return Check(__LINE__, AX(axclrtMemcpy)(host, host, 1, AXCL_MEMCPY_HOST_PHY_TO_DEVICE),
                     AXCL_ERR_UNSUPPORT);
      case 4:
        return Check(__LINE__, AX(axclrtEngineUnload)(~uint64_t{0}), -1);
      case 5:
        return Check(__LINE__, AX(axclrtEngineLoadFromFile)("/no/such/file", &unused_), kIllegal);
      case 6:
        return Check(__LINE__, AX(axclrtEngineExecute)(model_, engine_context_, 99, io_), kIllegal);
      case 7:
        return Check(__LINE__, AX(axclrtEngineExecute)(model_, ~uint64_t{0}, 0, io_), -1);
      case 8:
        return Check(__LINE__, AX(axclrtSynchronizeStream)(host), -1);
      case 9:
        return Check(__LINE__, AX(axclrtSetDevice)(arguments_.card + 1), Code(0x80300184));
      case 10:
        return Check(__LINE__, AX(axclrtSetCurrentContext)(host), Code(0x80300283));
      default:
        return Check(__LINE__, AX(axclrtMemset)(nullptr, 0, 1), Code(0x80300502));
    }
  }

  // What leaves the thread without a device.
  void Unbind() {
    if (Pick(2) == 0) {
      Check(__LINE__, AX(axclrtSetDevice)(arguments_.card));
      Check(__LINE__, AX(axclrtResetDevice)(arguments_.card));  // main's reference remains
    } else {
      axclrtDeviceProperties properties{};
      Check(__LINE__, AX(axclrtGetDeviceProperties)(arguments_.card, &properties));
      if (properties.freeCmmSize > properties.totalCmmSize) Wrong(__LINE__, 1, 0);
    }
    void* nothing = nullptr;
    Check(__LINE__, AX(axclrtGetCurrentContext)(&nothing), kUnbound);
    Check(__LINE__, AX(axclrtMalloc)(&nothing, 1, AXCL_MEM_MALLOC_HUGE_FIRST), kUnbound);
    Rebind();
  }

  void Step() {
    const uint32_t block = blocks_.empty() ? 0 : Pick(static_cast<uint32_t>(blocks_.size()));
    switch (Pick(10)) {
      case 0:
      case 1:
        if (blocks_.size() < kMostBlocks) return Allocate();
        return Free(block);
      case 2:
        if (!blocks_.empty()) Free(block);
        return;
      case 3:
        if (!blocks_.empty()) Verify(blocks_[block]);
        return;
      case 4:
        if (!blocks_.empty()) Write(blocks_[block]);
        return;
      case 5:
      case 6:
        return Execute(Pick(2) == 0);
      case 7:
        if (Pick(3) != 0) return;
        Unload();
        return Load();
      case 8:
        return Unbind();
      default:
        return Mistake();
    }
  }

  const Arguments& arguments_;
  Journal::Thread& note_;
  std::mt19937 random_;
  bool right_ = true;
  bool lost_ = false;
  uint64_t held_ = 0;
  void* context_ = nullptr;
  void* stream_ = nullptr;
  uint64_t model_ = 0;
  uint64_t engine_context_ = 0;
  uint64_t unused_ = 0;
  void* io_ = nullptr;
  uint64_t in_bytes_ = 0;
  uint64_t out_bytes_ = 0;
  std::vector<char> expected_;
  std::vector<Block> blocks_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  const int journal = open(argv[4], O_RDWR | O_CLOEXEC);
  struct stat model{};
  if (library == nullptr || journal < 0 || stat(argv[5], &model) != 0) return 1;
  void* mapped = mmap(nullptr, sizeof(Journal), PROT_READ | PROT_WRITE, MAP_SHARED, journal, 0);
  if (mapped == MAP_FAILED) return 1;
  Arguments arguments;
  arguments.seed = static_cast<uint32_t>(std::atol(argv[2]));
  arguments.steps = static_cast<uint64_t>(std::atoll(argv[3]));
  arguments.journal = static_cast<Journal*>(mapped);
  arguments.model = argv[5];
  arguments.model_bytes = static_cast<uint64_t>(model.st_size);
  arguments.frees = std::strcmp(argv[6], "free") == 0;
  arguments.may_be_lost = std::strcmp(argv[6], "lost") == 0;

  axclrtDeviceList list{};
  if (AX(axclInit)(nullptr) != AXCL_SUCC || AX(axclrtGetDeviceList)(&list) != AXCL_SUCC) return 1;
  AX(axclSetLogLevel)(6);  // it would tell every mistake
  arguments.card = list.devices[0];
  if (AX(axclrtSetDevice)(arguments.card) != AXCL_SUCC) return 1;
  if (AX(axclrtEngineInit)(AXCL_VNPU_DISABLE) != AXCL_SUCC && !arguments.may_be_lost) return 1;
  bool right[Journal::kThreads] = {};
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < Journal::kThreads; ++i) {
    threads.emplace_back([&, i] { right[i] = Player(arguments, i).Play(); });
  }
  for (std::thread& thread : threads) thread.join();
  if (arguments.frees &&
      (AX(axclrtResetDevice)(arguments.card) != AXCL_SUCC || AX(axclFinalize)() != AXCL_SUCC)) {
    return 1;
  }
  _exit(std::all_of(std::begin(right), std::end(right), [](bool r) { return r; }) ? 0 : 1);
}
