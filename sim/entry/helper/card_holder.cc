// Holds memory of the simulated card in a process of its own, for tests that kill it or reboot the
// card under it.
//
//   card_holder LIBRARY MIB
// Takes MIB of the first card's memory, prints `ready`, and then answers lines on stdin:
//   touch  fills the memory: prints the code as hexadecimal digits
//   again  sets the device again and takes the memory anew: the same
//   exit   queues work, some of which waits for what never comes, and ends by exit(); a handler
//   that
//          is older than the library's then frees everything
//   leave  ends without freeing anything     free  ends in the vendor's order
// The end of stdin is a `leave`.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "abi/axcl.h"

namespace {

template <typename Function>
Function Symbol(void* library, const char* name) {
  auto function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) {
    std::fprintf(stderr, "no symbol %s\n", name);
    std::exit(1);
  }
  return function;
}

std::function<bool()> clean_up;

void CleanUpAtExit() {
  if (clean_up != nullptr && !clean_up()) _exit(3);
}

}  // namespace

#define SYMBOL(name) const auto name = Symbol<decltype(&::name)>(library, #name)

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return 1;
  SYMBOL(axclInit);
  SYMBOL(axclFinalize);
  SYMBOL(axclrtGetDeviceList);
  SYMBOL(axclrtSetDevice);
  SYMBOL(axclrtResetDevice);
  SYMBOL(axclrtMalloc);
  SYMBOL(axclrtFree);
  SYMBOL(axclrtMemset);
  SYMBOL(axclrtMemcpyAsync);
  SYMBOL(axclrtCreateStream);
  SYMBOL(axclrtCreateEvent);
  SYMBOL(axclrtStreamWaitEvent);

  std::atexit(CleanUpAtExit);
  const size_t bytes = static_cast<size_t>(std::atoll(argv[2])) << 20;
  static std::vector<char> target(bytes);  // outlives the queued work, as it comes before axclInit
  axclrtDeviceList list{};
  void* memory = nullptr;
  const auto take = [&]() -> axclError {
    if (const axclError code = axclrtSetDevice(list.devices[0]); code != AXCL_SUCC) return code;
    return axclrtMalloc(&memory, bytes, AXCL_MEM_MALLOC_HUGE_FIRST);
  };
  if (axclInit(nullptr) != AXCL_SUCC || axclrtGetDeviceList(&list) != AXCL_SUCC) return 1;
  if (const axclError code = take(); code != AXCL_SUCC) {
    std::fprintf(stderr, "cannot take the memory: %08x\n", static_cast<uint32_t>(code));
    return 1;
  }
  std::printf("ready\n");
  std::fflush(stdout);

  char line[64];
  while (std::fgets(line, sizeof(line), stdin) != nullptr) {
    if (std::strcmp(line, "leave\n") == 0) break;
    if (std::strcmp(line, "free\n") == 0) {
      axclrtFree(memory);
      axclrtResetDevice(list.devices[0]);
      axclFinalize();
      return 0;
    }
    if (std::strcmp(line, "exit\n") == 0) {
      void* copying = nullptr;
      void* waiting = nullptr;
      void* event = nullptr;
      const int32_t device = list.devices[0];
      if (axclrtCreateStream(&copying) != AXCL_SUCC || axclrtCreateStream(&waiting) != AXCL_SUCC ||
          axclrtCreateEvent(&event) != AXCL_SUCC ||
          axclrtStreamWaitEvent(waiting, event) != AXCL_SUCC) {
        return 1;
      }
      for (int i = 0; i < 1000; ++i) {
        for (void* stream : {copying, waiting}) {
          if (axclrtMemcpyAsync(target.data(), memory, bytes, AXCL_MEMCPY_DEVICE_TO_HOST, stream) !=
              AXCL_SUCC) {
            return 1;
          }
        }
      }
      clean_up = [=] {
        return axclrtFree(memory) == AXCL_SUCC && axclrtResetDevice(device) == AXCL_SUCC &&
               axclFinalize() == AXCL_SUCC;
      };
      std::exit(0);
    }
    const bool again = std::strcmp(line, "again\n") == 0;
    const axclError code = again ? take() : axclrtMemset(memory, 1, bytes);
    std::printf("%08x\n", static_cast<uint32_t>(code));
    std::fflush(stdout);
  }
  _exit(0);
}
