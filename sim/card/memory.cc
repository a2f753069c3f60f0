#include "sim/card/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "sim/card/books.h"

namespace axsim::card {
namespace {

// x86-64 user addresses end at 2^47 (2^56 only when asked for), arm64's at 2^48 or 2^52.
constexpr uint64_t kFirstAddress = 1ull << 52;
constexpr uint64_t kMaxCardId = 255;
constexpr uint64_t kGapBytes = kPageBytes;

// Filling commits pages, so a block for a whole model file is left as it is.
constexpr uint64_t kMaxFilledBytes = 16ull << 20;
constexpr int kUndefined = 0xff;  // bf16 and float NaN

}  // namespace

bool IsDeviceAddress(uint64_t address) {
  return address >= kFirstAddress &&
         address < kFirstAddress + (kMaxCardId + 1) * Memory::kWindowBytes;
}

std::shared_ptr<const Pages> Pages::Make(uint64_t size_bytes) {
  void* data = mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  madvise(data, size_bytes, MADV_DONTFORK);
  madvise(data, size_bytes, MADV_DONTDUMP);
  return std::shared_ptr<const Pages>(new Pages(static_cast<std::byte*>(data), size_bytes));
}

Pages::~Pages() { munmap(data_, size_bytes_); }

Memory::Memory(int32_t card_id, uint64_t window_bytes)
    : window_(kFirstAddress + static_cast<uint64_t>(card_id) * kWindowBytes),
      window_bytes_(window_bytes) {}

std::optional<uint64_t> Memory::FindRoom(uint64_t span_bytes) const {
  if (span_bytes > window_bytes_) return std::nullopt;
  const auto next = blocks_.lower_bound(window_ + next_offset_);
  const uint64_t limit = next == blocks_.end() ? window_bytes_ : next->first - window_;
  if (next_offset_ + span_bytes <= limit) return next_offset_;
  uint64_t offset = 0;  // the window is used up: the first gap that freed blocks left
  for (const auto& [address, block] : blocks_) {
    const uint64_t begin = address - window_;
    if (offset + span_bytes <= begin) return offset;
    offset = begin + PageRound(block.size_bytes) + kGapBytes;
  }
  if (offset + span_bytes <= window_bytes_) return offset;
  return std::nullopt;
}

uint64_t Memory::Allocate(uint64_t size_bytes) {
  auto pages = Pages::Make(PageRound(size_bytes));
  if (pages == nullptr) return 0;
  if (size_bytes <= kMaxFilledBytes) std::memset(pages->bytes().data(), kUndefined, size_bytes);
  const uint64_t span_bytes = PageRound(size_bytes) + kGapBytes;
  const std::lock_guard lock(mutex_);
  const auto offset = FindRoom(span_bytes);
  if (!offset) return 0;
  next_offset_ = *offset + span_bytes;
  blocks_.emplace(window_ + *offset, Block{size_bytes, std::move(pages)});
  return window_ + *offset;
}

std::optional<uint64_t> Memory::Free(uint64_t address) {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(address);
  if (found == blocks_.end()) return std::nullopt;
  const uint64_t size_bytes = found->second.size_bytes;
  blocks_.erase(found);
  return size_bytes;
}

std::optional<uint64_t> Memory::SizeOfBase(uint64_t address) const {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(address);
  if (found == blocks_.end()) return std::nullopt;
  return found->second.size_bytes;
}

bool Memory::Resolve(uint64_t address, uint64_t size_bytes, Range* range) const {
  const std::lock_guard lock(mutex_);
  auto after = blocks_.upper_bound(address);
  if (after == blocks_.begin()) return false;
  const auto& [base, block] = *std::prev(after);
  const uint64_t offset = address - base;
  if (offset > block.size_bytes || size_bytes > block.size_bytes - offset) return false;
  range->pages = block.pages;
  range->bytes = block.pages->bytes().subspan(offset, size_bytes);
  return true;
}

void Memory::Clear() {
  const std::lock_guard lock(mutex_);
  blocks_.clear();
}

}  // namespace axsim::card
