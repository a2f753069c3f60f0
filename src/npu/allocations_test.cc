// Replaces operator new for the whole test program, to count what the hot path allocates.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "npu/fake_device.h"

namespace {
std::atomic<uint64_t> allocations{0};
}

// Not inlined: the compiler would see a new expression paired with free().
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (!axollama::npu::inside_fake_device) allocations.fetch_add(1);
  if (void* pointer = std::malloc(size ? size : 1)) return pointer;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* pointer) noexcept { std::free(pointer); }
[[gnu::noinline]] void operator delete(void* pointer, std::size_t) noexcept { std::free(pointer); }

namespace axollama::npu {

uint64_t CountedAllocations() { return allocations.load(); }

}  // namespace axollama::npu
