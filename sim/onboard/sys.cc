// The exported memory calls of libax_sys.so.
#include "abi/ax_sys.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "sim/card/memory.h"
#include "sim/onboard/board.h"

const char axsim_board_marker[] = "axollama simulated board " AXOLLAMA_VERSION;

namespace {

using axsim::card::Memory;
using axsim::card::Session;
using axsim::onboard::Board;

constexpr uint32_t kMaxAlign = axsim::card::kPageBytes;  // blocks begin at pages
constexpr std::string_view kPartition = "anonymous";

int32_t Allocate(uint64_t* physical, void** virt, uint32_t size, uint32_t align) {
  if (physical == nullptr || virt == nullptr) return AX_ERR_CMM_NULL_PTR;
  *physical = 0;
  *virt = nullptr;
  const bool power_of_two = (align & (align - 1)) == 0;
  if (size == 0 || !power_of_two || align > kMaxAlign) return AX_ERR_CMM_ILLEGAL_PARAM;
  const auto context = Board::Get().context();
  if (context == nullptr) return AX_ERR_CMM_NOTREADY;
  Session& session = *context->session;
  if (!session.Take(size)) return AX_ERR_CMM_NOMEM;
  const uint64_t address = session.memory.Allocate(size);
  Memory::Range range;
  if (address == 0 || !session.memory.Resolve(address, size, &range)) {
    session.books->Give(size);
    return AX_ERR_CMM_NOMEM;
  }
  *physical = address;
  *virt = range.bytes.data();
  Board::Get().blocks.fetch_add(1);
  return AX_SUCCESS;
}

// `virt` is where `physical` is, and `size` bytes follow in the same block.
bool IsPlace(const Session& session, uint64_t physical, const void* virt, uint32_t size) {
  Memory::Range range;
  return session.memory.Resolve(physical, size, &range) && range.bytes.data() == virt;
}

// The board keeps no cache here: what remains of a flush is its check.
int32_t CheckPlace(uint64_t physical, const void* virt, uint32_t size) {
  if (virt == nullptr) return AX_ERR_CMM_NULL_PTR;
  const auto context = Board::Get().context();
  if (context == nullptr) return AX_ERR_CMM_NOTREADY;
  return IsPlace(*context->session, physical, virt, size) ? AX_SUCCESS : AX_ERR_CMM_ILLEGAL_PARAM;
}

}  // namespace

extern "C" {

int32_t AX_SYS_Init(void) { return Board::Get().Open(); }

int32_t AX_SYS_Deinit(void) { return Board::Get().Close(); }

int32_t AX_SYS_MemAlloc(uint64_t* physical, void** virt, uint32_t size, uint32_t align,
                        const int8_t*) {
  return Allocate(physical, virt, size, align);
}

int32_t AX_SYS_MemAllocCached(uint64_t* physical, void** virt, uint32_t size, uint32_t align,
                              const int8_t*) {
  return Allocate(physical, virt, size, align);
}

int32_t AX_SYS_MemFree(uint64_t physical, void* virt) {
  if (virt == nullptr) return AX_ERR_CMM_NULL_PTR;
  const auto context = Board::Get().context();
  if (context == nullptr) return AX_ERR_CMM_NOTREADY;
  Session& session = *context->session;
  if (!IsPlace(session, physical, virt, 1)) return AX_ERR_CMM_ILLEGAL_PARAM;
  const auto freed_bytes = session.memory.Free(physical);
  if (!freed_bytes) return AX_ERR_CMM_FREE_FAIL;  // the inside of a block
  session.books->Give(*freed_bytes);
  Board::Get().blocks.fetch_sub(1);
  return AX_SUCCESS;
}

int32_t AX_SYS_MflushCache(uint64_t physical, void* virt, uint32_t size) {
  return CheckPlace(physical, virt, size);
}

int32_t AX_SYS_MinvalidateCache(uint64_t physical, void* virt, uint32_t size) {
  return CheckPlace(physical, virt, size);
}

int32_t AX_SYS_MemQueryStatus(AX_CMM_STATUS_T* status) {
  if (status == nullptr) return AX_ERR_CMM_NULL_PTR;
  const auto context = Board::Get().context();
  if (context == nullptr) return AX_ERR_CMM_NOTREADY;
  axsim::card::Books& books = *context->session->books;
  const uint64_t total_bytes = books.total_bytes();
  *status = {};
  status->TotalSize = static_cast<uint32_t>(total_bytes >> 10);
  status->RemainSize =
      static_cast<uint32_t>((total_bytes - std::min(books.used_bytes(), total_bytes)) >> 10);
  status->BlockCnt = Board::Get().blocks.load();
  status->Partition.PartitionCnt = 1;
  AX_PARTITION_INFO_T& partition = status->Partition.PartitionInfo[0];
  partition.PhysAddr = context->session->memory.base();
  partition.SizeKB = status->TotalSize;
  std::memcpy(partition.Name, kPartition.data(), kPartition.size());
  return AX_SUCCESS;
}

}  // extern "C"
