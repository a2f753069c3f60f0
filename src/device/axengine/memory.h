// The board's memory for the NPU (CMM), as the program reads and writes it.
//
// A device address is the block's physical one. Blocks are cached for the CPU: what the CPU writes
// is flushed, and what it reads is invalidated first, since the NPU may have written it. Between
// calls no line of a block is dirty in the CPU's cache, so invalidating loses nothing.
// Owner: shared by a Device and its models; blocks that are left over are freed with it.
// Threads: one, the device's. No allocation of host memory but in Allocate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "device/axengine/api.h"
#include "device/device.h"

namespace axollama::device::axengine {

class CmmMemory {
 public:
  explicit CmmMemory(std::shared_ptr<const Api> api) : api_(std::move(api)) {}
  ~CmmMemory();
  CmmMemory(const CmmMemory&) = delete;
  CmmMemory& operator=(const CmmMemory&) = delete;

  Result<Address> Allocate(uint64_t size_bytes);
  Status Free(Address address);
  Status Fill(Address address, uint8_t value, uint64_t size_bytes);
  Status CopyUp(Address to, std::span<const std::byte> from);
  Status CopyDown(std::span<std::byte> to, Address from);
  Status CopyInside(Address to, Address from, uint64_t size_bytes);

  // Where the CPU finds `size_bytes` at `address`; kInternal if they are not inside one block.
  Result<std::byte*> Locate(Address address, uint64_t size_bytes) const;

 private:
  struct Block {
    std::byte* virt;
    uint64_t size_bytes;
  };
  Status Flush(Address address, std::byte* virt, uint64_t size_bytes);
  Status Invalidate(Address address, std::byte* virt, uint64_t size_bytes);
  // Before a write: lines that it covers in part must hold what the NPU wrote beside it.
  Status PrepareWrite(Address address, std::byte* virt, uint64_t size_bytes);

  std::shared_ptr<const Api> api_;
  std::map<uint64_t, Block> blocks_;  // by physical address
};

}  // namespace axollama::device::axengine
