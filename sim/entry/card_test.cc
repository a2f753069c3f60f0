// The library as a whole: exports, initialisation, devices, memory, several processes.
#include <fcntl.h>
#include <sys/mman.h>

#include <fstream>
#include <set>
#include <thread>

#include "sim/entry/fixture.h"

namespace axsim::entry {
namespace {

constexpr char kSmallCard[] = R"({"cards":[{"id":1,"cmm_mib":118}]})";  // 100 MiB are free

TEST_F(EntryTest, ExportsTheAbiAndNothingElse) {
  FILE* nm = popen("'" NM_PROGRAM "' -D --defined-only '" AXCL_RT_LIBRARY "'", "r");
  ASSERT_NE(nm, nullptr);
  std::set<std::string> names;
  char line[512];
  while (fgets(line, sizeof(line), nm) != nullptr) {
    std::string text(line, strcspn(line, "\n"));
    names.insert(text.substr(text.rfind(' ') + 1));
  }
  EXPECT_EQ(pclose(nm), 0);
  EXPECT_TRUE(names.contains("axsim_marker"));
  EXPECT_TRUE(names.contains("axclrtEngineExecute"));
  for (const std::string& name : names) {
    EXPECT_TRUE(name.starts_with("axcl") || name == "axsim_marker") << name;
  }
}

// What pyaxengine, ax-llm and its multi-device branch look up, and the vendor's samples besides.
TEST_F(EntryTest, HasWhatClientsLookUp) {
  ASSERT_NE(Library(), nullptr) << dlerror();
  for (const char* name : {"axclInit",
                           "axclFinalize",
                           "axclSetLogLevel",
                           "axclAppLog",
                           "axclrtGetVersion",
                           "axclrtGetFullVersion",
                           "axclrtGetSocName",
                           "axclrtGetDeviceList",
                           "axclrtGetDeviceCount",
                           "axclrtSetDevice",
                           "axclrtResetDevice",
                           "axclrtGetDevice",
                           "axclrtSynchronizeDevice",
                           "axclrtGetDeviceProperties",
                           "axclrtRebootDevice",
                           "axclrtCreateContext",
                           "axclrtDestroyContext",
                           "axclrtSetCurrentContext",
                           "axclrtGetCurrentContext",
                           "axclrtGetDefaultContext",
                           "axclrtGetContextId",
                           "axclrtMalloc",
                           "axclrtMallocCached",
                           "axclrtFree",
                           "axclrtMemFlush",
                           "axclrtMemInvalidate",
                           "axclrtMallocHost",
                           "axclrtFreeHost",
                           "axclrtMemset",
                           "axclrtMemcpy",
                           "axclrtMemcmp",
                           "axclrtEngineInit",
                           "axclrtEngineGetVNpuKind",
                           "axclrtEngineFinalize",
                           "axclrtEngineLoadFromFile",
                           "axclrtEngineLoadFromMem",
                           "axclrtEngineUnload",
                           "axclrtEngineGetModelCompilerVersion",
                           "axclrtEngineSetAffinity",
                           "axclrtEngineGetAffinity",
                           "axclrtEngineGetUsage",
                           "axclrtEngineGetUsageFromMem",
                           "axclrtEngineGetUsageFromModelId",
                           "axclrtEngineGetModelType",
                           "axclrtEngineGetModelTypeFromMem",
                           "axclrtEngineGetModelTypeFromModelId",
                           "axclrtEngineGetIOInfo",
                           "axclrtEngineDestroyIOInfo",
                           "axclrtEngineGetShapeGroupsCount",
                           "axclrtEngineGetNumInputs",
                           "axclrtEngineGetNumOutputs",
                           "axclrtEngineGetInputSizeByIndex",
                           "axclrtEngineGetOutputSizeByIndex",
                           "axclrtEngineGetInputNameByIndex",
                           "axclrtEngineGetOutputNameByIndex",
                           "axclrtEngineGetInputIndexByName",
                           "axclrtEngineGetOutputIndexByName",
                           "axclrtEngineGetInputDims",
                           "axclrtEngineGetOutputDims",
                           "axclrtEngineGetInputDataType",
                           "axclrtEngineGetOutputDataType",
                           "axclrtEngineGetInputDataLayout",
                           "axclrtEngineGetOutputDataLayout",
                           "axclrtEngineCreateIO",
                           "axclrtEngineDestroyIO",
                           "axclrtEngineSetInputBufferByIndex",
                           "axclrtEngineSetOutputBufferByIndex",
                           "axclrtEngineSetInputBufferByName",
                           "axclrtEngineSetOutputBufferByName",
                           "axclrtEngineGetInputBufferByIndex",
                           "axclrtEngineGetOutputBufferByIndex",
                           "axclrtEngineGetInputBufferByName",
                           "axclrtEngineGetOutputBufferByName",
                           "axclrtEngineSetDynamicBatchSize",
                           "axclrtEngineCreateContext",
                           "axclrtEngineExecute"}) {
    EXPECT_NE(dlsym(Library(), name), nullptr) << name;
  }
  EXPECT_NE(std::string(static_cast<const char*>(dlsym(Library(), "axsim_marker"))), "");
}

TEST_F(EntryTest, Versions) {
  int32_t major = 0;
  int32_t minor = 0;
  int32_t patch = 0;
  ASSERT_EQ(AX(axclrtGetVersion)(&major, &minor, &patch), AXCL_SUCC);
  EXPECT_EQ(major, 3);
  EXPECT_NE(AX(axclrtGetVersion)(nullptr, &minor, &patch), AXCL_SUCC);
  EXPECT_STREQ(AX(axclrtGetSocName)(), "AX650N");
  EXPECT_NE(std::string(AX(axclrtGetFullVersion)()).find("libaxcl_rt.so V3.10.2"),
            std::string::npos);
  EXPECT_EQ(AX(axclSetLogLevel)(6), AXCL_SUCC);
  AX(axclAppLog)(2, "function", "file", 1, "%d apples", 3);
  EXPECT_EQ(AX(axclSetLogLevel)(3), AXCL_SUCC);
  EXPECT_NE(AX(axclSetLogLevel)(9), AXCL_SUCC);
}

TEST_F(EntryTest, ConfigurationErrors) {
  EXPECT_EQ(AX(axclInit)(R"({"cards":[]})"), Code(0x80300181));
  EXPECT_EQ(AX(axclInit)(R"({"init_error":"0x8030010B"})"), Code(0x8030010B));
  EXPECT_EQ(AX(axclInit)(R"({"threads":1,"speed":2})"), Code(0x80300603));
  const auto path = folder_ / "sim.json";
  std::ofstream(path) << R"({"cards":[{"id":129}]})";
  setenv("AXSIM_CONFIG", path.c_str(), 1);
  Open();
  EXPECT_EQ(card_, 129);
}

// pyaxengine passes a pointer to an empty array: text without an end, at the end of what there is.
TEST_F(EntryTest, InitToleratesAnArgumentThatIsNoString) {
  const long page = sysconf(_SC_PAGESIZE);
  auto* memory = static_cast<char*>(
      mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
  memset(memory, 'x', page);
  ASSERT_EQ(mprotect(memory + page, page, PROT_NONE), 0);
  EXPECT_EQ(AX(axclInit)(memory + page - 3), AXCL_SUCC);
  EXPECT_EQ(AX(axclInit)(memory + page), AXCL_SUCC);
  EXPECT_EQ(AX(axclInit)(""), AXCL_SUCC);
  EXPECT_EQ(AX(axclInit)("/usr/bin/axcl/axcl.json"), AXCL_SUCC);
  munmap(memory, 2 * page);
}

TEST_F(EntryTest, ThreadsNeedAContext) {
  Open();
  void* device = Malloc(64);
  void* context = nullptr;
  ASSERT_EQ(AX(axclrtGetCurrentContext)(&context), AXCL_SUCC);
  std::thread([&] {
    void* other = nullptr;
    int32_t id = 0;
    EXPECT_EQ(AX(axclrtGetCurrentContext)(&other), Code(0x80300284));
    EXPECT_EQ(AX(axclrtGetDevice)(&id), Code(0x80300185));
    EXPECT_EQ(AX(axclrtMalloc)(&other, 64, AXCL_MEM_MALLOC_HUGE_FIRST), Code(0x80300284));
    EXPECT_EQ(AX(axclrtMemset)(device, 0, 64), Code(0x80300284));
    EXPECT_EQ(AX(axclrtEngineInit)(AXCL_VNPU_DISABLE), Code(0x80300284));
    EXPECT_EQ(AX(axclrtSetCurrentContext)(context), AXCL_SUCC);
    EXPECT_EQ(AX(axclrtMemset)(device, 0, 64), AXCL_SUCC);
    EXPECT_EQ(AX(axclrtGetDevice)(&id), AXCL_SUCC);
    EXPECT_EQ(id, card_);
  }).join();
  axclrtDeviceProperties properties{};
  ASSERT_EQ(AX(axclrtGetDeviceProperties)(card_, &properties), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtMemset)(device, 0, 64), Code(0x80300284)) << "asking unbinds";
  ASSERT_EQ(AX(axclrtSetDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtMemset)(device, 0, 64), AXCL_SUCC) << "the session went on";
}

TEST_F(EntryTest, DeviceErrors) {
  EXPECT_NE(AX(axclrtSetDevice)(1), AXCL_SUCC) << "before axclInit";
  Open();
  EXPECT_EQ(AX(axclrtSetDevice)(card_ + 1), Code(0x80300184));
  EXPECT_EQ(AX(axclrtResetDevice)(card_ + 1), Code(0x80300184));
  EXPECT_EQ(AX(axclrtGetCurrentContext)(nullptr), Code(0x80300202));
  EXPECT_EQ(AX(axclrtSetCurrentContext)(nullptr), Code(0x80300202));
  void* context = nullptr;
  ASSERT_EQ(AX(axclrtGetDefaultContext)(&context, card_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtDestroyContext)(context), Code(0x80300282));
  ASSERT_EQ(AX(axclrtResetDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtResetDevice)(card_), Code(0x80300183));
  EXPECT_EQ(AX(axclrtGetDefaultContext)(&context, card_), Code(0x80300183));
}

TEST_F(EntryTest, CopiesGoWhereTheyShould) {
  Open();
  void* device = Malloc(8);
  const Bf16s values = {1, 2, 3, 4};
  Up(device, values);
  EXPECT_EQ(Down(device, 4), values);
  EXPECT_EQ(Down(At(device, 2), 3), (Bf16s{2, 3, 4}));
  ASSERT_EQ(AX(axclrtMemcpy)(At(device, 4), device, 4, AXCL_MEMCPY_DEVICE_TO_DEVICE), AXCL_SUCC);
  EXPECT_EQ(Down(device, 4), (Bf16s{1, 2, 1, 2}));
  EXPECT_EQ(AX(axclrtMemcmp)(device, At(device, 4), 4), AXCL_SUCC);
  EXPECT_NE(AX(axclrtMemcmp)(device, At(device, 2), 4), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtMemset)(At(device, 2), 0, 4), AXCL_SUCC);
  EXPECT_EQ(Down(device, 4), (Bf16s{1, 0, 0, 2}));
  Bf16s host(4);
  ASSERT_EQ(AX(axclrtMemcpy)(host.data(), values.data(), 8, AXCL_MEMCPY_HOST_TO_HOST), AXCL_SUCC);
  EXPECT_EQ(host, values);
  void* pinned = nullptr;
  ASSERT_EQ(AX(axclrtMallocHost)(&pinned, 16), AXCL_SUCC);
  memset(pinned, 1, 16);
  EXPECT_EQ(AX(axclrtFreeHost)(pinned), AXCL_SUCC);
}

TEST_F(EntryTest, MemoryErrors) {
  Open();
  char host[64] = {};
  void* device = Malloc(64);
  EXPECT_EQ(AX(axclrtMalloc)(nullptr, 1, AXCL_MEM_MALLOC_HUGE_FIRST), Code(0x80300502));
  EXPECT_EQ(AX(axclrtFree)(nullptr), Code(0x80300502));
  EXPECT_EQ(AX(axclrtMemcpy)(nullptr, host, 1, AXCL_MEMCPY_HOST_TO_DEVICE), Code(0x80300502));
  EXPECT_EQ(AX(axclrtMemcpy)(device, nullptr, 1, AXCL_MEMCPY_HOST_TO_DEVICE), Code(0x80300502));
  // Only the base will do.
  EXPECT_EQ(AX(axclrtFree)(At(device, 8)), Code(0x80300581));
  EXPECT_EQ(AX(axclrtMemFlush)(At(device, 8), 8), Code(0x80300581));
  EXPECT_EQ(AX(axclrtMemInvalidate)(At(device, 8), 8), Code(0x80300581));
  EXPECT_EQ(AX(axclrtMemFlush)(device, 64), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtMemInvalidate)(device, 64), AXCL_SUCC);
  // Addresses that are not on the card, or end outside their block.
  EXPECT_EQ(AX(axclrtMemcpy)(host, host, 64, AXCL_MEMCPY_HOST_TO_DEVICE), Code(0x80300581));
  EXPECT_EQ(AX(axclrtMemcpy)(host, host, 64, AXCL_MEMCPY_DEVICE_TO_HOST), Code(0x80300581));
  EXPECT_EQ(AX(axclrtMemcpy)(At(device, 1), host, 64, AXCL_MEMCPY_HOST_TO_DEVICE),
            Code(0x80300581));
  EXPECT_EQ(AX(axclrtMemcpy)(device, device, 64, AXCL_MEMCPY_HOST_TO_DEVICE), Code(0x8030050C));
  EXPECT_EQ(AX(axclrtMemcpy)(device, device, 64, AXCL_MEMCPY_DEVICE_TO_HOST), Code(0x8030050C));
  EXPECT_EQ(AX(axclrtMemset)(host, 0, 64), Code(0x80300581));
  EXPECT_EQ(AX(axclrtMemcmp)(device, host, 64), Code(0x80300581));
  EXPECT_EQ(AX(axclrtMemcpy)(device, host, 64, AXCL_MEMCPY_HOST_PHY_TO_DEVICE), AXCL_ERR_UNSUPPORT);
  ASSERT_EQ(AX(axclrtFree)(device), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtFree)(device), Code(0x80300581));
  EXPECT_EQ(AX(axclrtMemset)(device, 0, 64), Code(0x80300581));
}

TEST_F(EntryTest, TheCardIsFullWhenItIsFull) {
  Open(kSmallCard);
  EXPECT_EQ(FreeKb(), 100u * 1024);
  void* device = Malloc(60 * kMiB);
  EXPECT_EQ(FreeKb(), 40u * 1024);
  void* more = &device;
  EXPECT_EQ(AX(axclrtMalloc)(&more, 41 * kMiB, AXCL_MEM_MALLOC_HUGE_FIRST), Code(0x8030050C));
  EXPECT_EQ(more, nullptr);
  EXPECT_EQ(AX(axclrtMalloc)(&more, 0, AXCL_MEM_MALLOC_HUGE_FIRST), Code(0x8030050C));
  EXPECT_EQ(AX(axclrtMalloc)(&more, ~size_t{0}, AXCL_MEM_MALLOC_HUGE_FIRST), Code(0x8030050C));
  ASSERT_EQ(AX(axclrtFree)(device), AXCL_SUCC);
  EXPECT_EQ(FreeKb(), 100u * 1024);
  Malloc(90 * kMiB);
  ASSERT_EQ(AX(axclrtResetDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(FreeKb(), 100u * 1024) << "the end of the session gives it back";
}

uint64_t StatusKb(const char* field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field)) return std::strtoull(line.c_str() + strlen(field), nullptr, 10);
  }
  ADD_FAILURE() << field;
  return 0;
}

TEST_F(EntryTest, DeviceMemoryIsSharedPagesAndComesBack) {
  Open();
  [[maybe_unused]] const uint64_t anonymous_kb = StatusKb("RssAnon:");
  const uint64_t shared_kb = StatusKb("RssShmem:");
  void* device = Malloc(64 * kMiB);
  EXPECT_LT(StatusKb("RssShmem:"), shared_kb + 8 * 1024) << "committed when touched";
  ASSERT_EQ(AX(axclrtMemset)(device, 1, 64 * kMiB), AXCL_SUCC);
  EXPECT_GE(StatusKb("RssShmem:"), shared_kb + 64 * 1024);
#ifndef __SANITIZE_THREAD__  // which shadows what memset touches, in anonymous pages
  EXPECT_LT(StatusKb("RssAnon:"), anonymous_kb + 8 * 1024);
#endif
  ASSERT_EQ(AX(axclrtFree)(device), AXCL_SUCC);
  EXPECT_LT(StatusKb("RssShmem:"), shared_kb + 8 * 1024);
}

TEST_F(EntryTest, ProcessesShareTheCardAndDeathLeaks) {
  std::ofstream(folder_ / "sim.json") << kSmallCard;
  setenv("AXSIM_CONFIG", (folder_ / "sim.json").c_str(), 1);
  Open();
  Holder first(60);
  ASSERT_TRUE(first.started());
  EXPECT_EQ(FreeKb(), 40u * 1024);
  EXPECT_FALSE(Holder(60).started()) << "no room for both";
  first.Kill();
  EXPECT_EQ(FreeKb(), 40u * 1024) << "kill -9 leaves it taken";
  Holder second(10);
  ASSERT_TRUE(second.started());
  second.Send("leave");
  second.Wait();
  EXPECT_EQ(FreeKb(), 30u * 1024) << "so does an end without freeing";
  Holder third(10);
  third.Send("free");
  third.Wait();
  EXPECT_EQ(FreeKb(), 30u * 1024);
  ASSERT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
  ASSERT_EQ(AX(axclrtSetDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(FreeKb(), 100u * 1024);
}

TEST_F(EntryTest, WithoutLeakOnKillTheMemoryComesBack) {
  std::ofstream(folder_ / "sim.json") << R"({"cards":[{"cmm_mib":118,"leak_on_kill":false}]})";
  setenv("AXSIM_CONFIG", (folder_ / "sim.json").c_str(), 1);
  Open();
  Holder holder(60);
  ASSERT_TRUE(holder.started());
  EXPECT_EQ(FreeKb(), 40u * 1024);
  holder.Kill();
  EXPECT_EQ(FreeKb(), 100u * 1024);
}

TEST_F(EntryTest, ARebootEndsWhatOthersHold) {
  std::ofstream(folder_ / "sim.json") << kSmallCard;
  setenv("AXSIM_CONFIG", (folder_ / "sim.json").c_str(), 1);
  Open();
  void* own = Malloc(10 * kMiB);
  Holder holder(60);
  ASSERT_TRUE(holder.started());
  EXPECT_EQ(holder.Ask("touch"), AXCL_SUCC);
  EXPECT_EQ(AX(axclrtRebootDevice)(card_ + 1), Code(0x80300184));
  ASSERT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
  EXPECT_EQ(holder.Ask("touch"), Code(0x8030050C));
  EXPECT_EQ(AX(axclrtMemset)(own, 0, 1), Code(0x8030050C));
  EXPECT_EQ(AX(axclrtFree)(own), Code(0x8030050C));
  EXPECT_EQ(AX(axclrtEngineInit)(AXCL_VNPU_DISABLE), Code(0x8030070C));
  EXPECT_EQ(FreeKb(), 100u * 1024);
  EXPECT_EQ(holder.Ask("again"), AXCL_SUCC);
  EXPECT_EQ(FreeKb(), 40u * 1024);
  holder.Send("free");
  holder.Wait();
  EXPECT_EQ(FreeKb(), 100u * 1024);
}

}  // namespace
}  // namespace axsim::entry
