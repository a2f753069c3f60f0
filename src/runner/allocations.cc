#include "runner/allocations.h"

#include <link.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

namespace axollama::runner {
namespace {

constexpr std::size_t kDefault = alignof(std::max_align_t);

thread_local uint64_t thread_allocations = 0;
std::atomic<uintptr_t> left_out_begin{0};
std::atomic<uintptr_t> left_out_end{0};

void* Allocate(std::size_t size, std::size_t alignment, const void* caller) {
  const uintptr_t from = reinterpret_cast<uintptr_t>(caller);
  if (from < left_out_begin.load(std::memory_order_relaxed) ||
      from >= left_out_end.load(std::memory_order_relaxed)) {
    ++thread_allocations;
  }
  if (size == 0) size = 1;
  if (alignment <= kDefault) return std::malloc(size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* AllocateOrThrow(std::size_t size, std::size_t alignment, const void* caller) {
  void* memory = Allocate(size, alignment, caller);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

struct Search {
  std::filesystem::path wanted;
};

// Notes the address range of the loaded object whose file is the wanted one.
int Visit(dl_phdr_info* info, size_t, void* data) {
  const Search& search = *static_cast<const Search*>(data);
  std::error_code error;
  if (info->dlpi_name == nullptr || *info->dlpi_name == '\0' ||
      std::filesystem::weakly_canonical(info->dlpi_name, error) != search.wanted) {
    return 0;
  }
  uintptr_t begin = UINTPTR_MAX, end = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    begin = std::min<uintptr_t>(begin, info->dlpi_addr + segment.p_vaddr);
    end = std::max<uintptr_t>(end, info->dlpi_addr + segment.p_vaddr + segment.p_memsz);
  }
  left_out_begin = begin;
  left_out_end = end;
  return 1;
}

}  // namespace

uint64_t ThreadAllocations() { return thread_allocations; }

void LeaveOut(std::string_view path) {
  std::error_code error;
  Search search{std::filesystem::weakly_canonical(std::filesystem::path(path), error)};
  dl_iterate_phdr(Visit, &search);
}

}  // namespace axollama::runner

// The replacements of the standard's replaceable functions, for the whole program.
using axollama::runner::Allocate;
using axollama::runner::AllocateOrThrow;
using axollama::runner::kDefault;

void* operator new(std::size_t size) {
  return AllocateOrThrow(size, kDefault, __builtin_return_address(0));
}
void* operator new[](std::size_t size) {
  return AllocateOrThrow(size, kDefault, __builtin_return_address(0));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size, kDefault, __builtin_return_address(0));
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size, kDefault, __builtin_return_address(0));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return AllocateOrThrow(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return AllocateOrThrow(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(size, static_cast<std::size_t>(alignment), __builtin_return_address(0));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
