#include "device/axengine/memory.h"

#include <fmt/core.h>

#include <cstring>
#include <iterator>
#include <limits>
#include <utility>

#include "device/axengine/errors.h"

namespace axollama::device::axengine {
namespace {

constexpr uint32_t kAlign = 128;  // the vendor's convention
constexpr uint64_t kCacheLineBytes = 64;
constexpr uint64_t kMaxBlockBytes = std::numeric_limits<uint32_t>::max();  // sizes have 32 bits
constexpr char kToken[] = "axollama";                                      // in /proc/ax_proc

}  // namespace

CmmMemory::~CmmMemory() {
  for (const auto& [physical, block] : blocks_) api_->sys.MemFree(physical, block.virt);
}

Result<Address> CmmMemory::Allocate(uint64_t size_bytes) {
  if (size_bytes == 0 || size_bytes > kMaxBlockBytes) {
    return Fail(ErrorKind::kNoMemory,
                fmt::format("the board gives out blocks of 1 to {} bytes, not of {}",
                            kMaxBlockBytes, size_bytes));
  }
  uint64_t physical = 0;
  void* virt = nullptr;
  const int32_t code = api_->sys.MemAllocCached(&physical, &virt, static_cast<uint32_t>(size_bytes),
                                                kAlign, reinterpret_cast<const int8_t*>(kToken));
  if (code != AX_SUCCESS) {
    return Fail(Describe("AX_SYS_MemAllocCached", code, fmt::format("{} bytes", size_bytes)));
  }
  if (physical == 0 || virt == nullptr || blocks_.contains(physical)) {
    return Fail(ErrorKind::kDevice,
                fmt::format("AX_SYS_MemAllocCached gave an impossible block at 0x{:x}", physical));
  }
  blocks_.emplace(physical, Block{static_cast<std::byte*>(virt), size_bytes});
  return Address{physical};
}

Status CmmMemory::Free(Address address) {
  const auto found = blocks_.find(address.value);
  if (found == blocks_.end()) {
    return Fail(ErrorKind::kInternal,
                fmt::format("0x{:x} is not the beginning of a block", address.value));
  }
  const int32_t code = api_->sys.MemFree(found->first, found->second.virt);
  blocks_.erase(found);
  if (code != AX_SUCCESS) return Fail(Describe("AX_SYS_MemFree", code));
  return {};
}

Result<std::byte*> CmmMemory::Locate(Address address, uint64_t size_bytes) const {
  const auto after = blocks_.upper_bound(address.value);
  if (after != blocks_.begin()) {
    const auto& [physical, block] = *std::prev(after);
    const uint64_t offset = address.value - physical;
    if (offset <= block.size_bytes && size_bytes <= block.size_bytes - offset) {
      return block.virt + offset;
    }
  }
  return Fail(ErrorKind::kInternal, fmt::format("{} bytes at 0x{:x} are not in the board's memory",
                                                size_bytes, address.value));
}

Status CmmMemory::Flush(Address address, std::byte* virt, uint64_t size_bytes) {
  if (size_bytes == 0) return {};
  const int32_t code =
      api_->sys.MflushCache(address.value, virt, static_cast<uint32_t>(size_bytes));
  if (code != AX_SUCCESS) return Fail(Describe("AX_SYS_MflushCache", code));
  return {};
}

Status CmmMemory::Invalidate(Address address, std::byte* virt, uint64_t size_bytes) {
  if (size_bytes == 0) return {};
  const int32_t code =
      api_->sys.MinvalidateCache(address.value, virt, static_cast<uint32_t>(size_bytes));
  if (code != AX_SUCCESS) return Fail(Describe("AX_SYS_MinvalidateCache", code));
  return {};
}

Status CmmMemory::PrepareWrite(Address address, std::byte* virt, uint64_t size_bytes) {
  if (address.value % kCacheLineBytes == 0 && size_bytes % kCacheLineBytes == 0) return {};
  return Invalidate(address, virt, size_bytes);
}

Status CmmMemory::Fill(Address address, uint8_t value, uint64_t size_bytes) {
  AX_ASSIGN_OR_RETURN(std::byte* const virt, Locate(address, size_bytes));
  AX_RETURN_IF_ERROR(PrepareWrite(address, virt, size_bytes));
  std::memset(virt, value, size_bytes);
  return Flush(address, virt, size_bytes);
}

Status CmmMemory::CopyUp(Address to, std::span<const std::byte> from) {
  if (from.empty()) return {};
  AX_ASSIGN_OR_RETURN(std::byte* const virt, Locate(to, from.size()));
  AX_RETURN_IF_ERROR(PrepareWrite(to, virt, from.size()));
  std::memcpy(virt, from.data(), from.size());
  return Flush(to, virt, from.size());
}

Status CmmMemory::CopyDown(std::span<std::byte> to, Address from) {
  if (to.empty()) return {};
  AX_ASSIGN_OR_RETURN(std::byte* const virt, Locate(from, to.size()));
  AX_RETURN_IF_ERROR(Invalidate(from, virt, to.size()));
  std::memcpy(to.data(), virt, to.size());
  return {};
}

Status CmmMemory::CopyInside(Address to, Address from, uint64_t size_bytes) {
  AX_ASSIGN_OR_RETURN(std::byte* const target, Locate(to, size_bytes));
  AX_ASSIGN_OR_RETURN(std::byte* const source, Locate(from, size_bytes));
  AX_RETURN_IF_ERROR(Invalidate(from, source, size_bytes));
  AX_RETURN_IF_ERROR(PrepareWrite(to, target, size_bytes));
  std::memmove(target, source, size_bytes);
  return Flush(to, target, size_bytes);
}

}  // namespace axollama::device::axengine
