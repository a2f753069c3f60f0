// One process's memory on one card: device addresses and what stands behind them.
//
// A device address is a number far outside what any host pointer can be (2^52 and up), so the two
// cannot be confused, and dereferencing one on the host faults. Behind it are shared anonymous
// pages, committed when touched and given back on Free. Addresses are not used again until the
// window is used up, and a gap follows every block: overruns and uses after Free are seen.
// CMM is not counted here; see books.h. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

namespace axsim::card {

// True for every address that some card could have given out.
bool IsDeviceAddress(uint64_t address);

// Pages of shared memory: counted as RssShmem, not inherited by children, in no core dump.
// Owner: shared; a running copy or execute keeps them while another thread frees.
class Pages {
 public:
  // nullptr: the host has no address space left.
  static std::shared_ptr<const Pages> Make(uint64_t size_bytes);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  std::span<std::byte> bytes() const { return {data_, size_bytes_}; }

 private:
  Pages(std::byte* data, uint64_t size_bytes) : data_(data), size_bytes_(size_bytes) {}
  std::byte* data_;
  uint64_t size_bytes_;
};

class Memory {
 public:
  static constexpr uint64_t kWindowBytes = 1ull << 44;  // per card: 16 TiB

  // `window_bytes`: how much address space to give out before gaps are used; at most kWindowBytes.
  explicit Memory(int32_t card_id, uint64_t window_bytes = kWindowBytes);

  uint64_t base() const { return window_; }  // of every address that it gives out

  // A resolved device range. Keeps its pages alive.
  struct Range {
    std::shared_ptr<const Pages> pages;
    std::span<std::byte> bytes;
  };

  // The new block's address; 0: the host is out of memory. What it holds is undefined: NaN
  // patterns in blocks of ordinary size.
  uint64_t Allocate(uint64_t size_bytes);
  // The freed block's size; nullopt: not the base of a block.
  std::optional<uint64_t> Free(uint64_t address);
  std::optional<uint64_t> SizeOfBase(uint64_t address) const;
  // False: not wholly inside one block. No allocation.
  bool Resolve(uint64_t address, uint64_t size_bytes, Range* range) const;
  void Clear();

 private:
  struct Block {
    uint64_t size_bytes;
    std::shared_ptr<const Pages> pages;
  };
  // An offset with room for `span_bytes`; nullopt: none.
  std::optional<uint64_t> FindRoom(uint64_t span_bytes) const;

  const uint64_t window_;
  const uint64_t window_bytes_;
  mutable std::mutex mutex_;
  std::map<uint64_t, Block> blocks_;  // by address
  uint64_t next_offset_ = 0;
};

}  // namespace axsim::card
