/* AX_SYS: the memory calls of an AX650N / AX8850 board's own library, libax_sys.so.
 *
 * Declarations of our own, from published behaviour; nothing is copied from the vendor. Both sides
 * of the ABI include this file: programs that dlopen the library, and the simulated one. C11 and
 * C++. Only what an inference program needs.
 * On the board the program and the NPU share one DRAM. A block of CMM has a physical address, which
 * the NPU is given, and a virtual one, which the program reads and writes like any memory. Of a
 * cached block the program flushes what it wrote before the NPU reads it, and invalidates what the
 * NPU wrote before it reads that itself.
 * Threads: any. Errors: 0, or one of the codes below. Units: sizes in bytes, except where a field
 * says KB.
 */
#pragma once

#include <stdint.h>

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif
#ifdef __cplusplus
extern "C" {
#endif

/* ---- error codes: 0x80000000 | module << 16 | part << 8 | low byte; module 0x0B is SYS ---- */

#define AX_SUCCESS 0
#define AX_CMM_CODE(low) ((int32_t)(0x800B0000u | (low)))
#define AX_ERR_CMM_ILLEGAL_PARAM AX_CMM_CODE(0x0Au)
#define AX_ERR_CMM_NULL_PTR AX_CMM_CODE(0x0Bu)
#define AX_ERR_CMM_NOTREADY AX_CMM_CODE(0x10u) /* before AX_SYS_Init */
#define AX_ERR_CMM_NOMEM AX_CMM_CODE(0x18u)
#define AX_ERR_CMM_UNKNOWN AX_CMM_CODE(0x29u)
#define AX_ERR_CMM_MMAP_FAIL AX_CMM_CODE(0x80u)
#define AX_ERR_CMM_FREE_FAIL AX_CMM_CODE(0x82u)

/* ---- */

#define AX_MAX_PARTITION_COUNT 16
#define AX_MAX_PARTITION_NAME_LEN 32

typedef struct AX_PARTITION_INFO_T {
  uint64_t PhysAddr;
  uint32_t SizeKB;
  int8_t Name[AX_MAX_PARTITION_NAME_LEN]; /* "anonymous" */
} AX_PARTITION_INFO_T;

typedef struct AX_CMM_PARTITION_INFO_T {
  uint32_t PartitionCnt;
  AX_PARTITION_INFO_T PartitionInfo[AX_MAX_PARTITION_COUNT];
} AX_CMM_PARTITION_INFO_T;

typedef struct AX_CMM_STATUS_T {
  uint32_t TotalSize;  /* KB */
  uint32_t RemainSize; /* KB */
  uint32_t BlockCnt;
  AX_CMM_PARTITION_INFO_T Partition;
} AX_CMM_STATUS_T;

int32_t AX_SYS_Init(void); /* counted: one AX_SYS_Deinit each */
int32_t AX_SYS_Deinit(void);

/* `align` is 0 or a power of two, by convention 128; `token` names the block in /proc, "npu". */
int32_t AX_SYS_MemAlloc(uint64_t* physical, void** virt, uint32_t size, uint32_t align,
                        const int8_t* token);
int32_t AX_SYS_MemAllocCached(uint64_t* physical, void** virt, uint32_t size, uint32_t align,
                              const int8_t* token);
int32_t AX_SYS_MemFree(uint64_t physical, void* virt);
/* These two also take the inside of a block. */
int32_t AX_SYS_MflushCache(uint64_t physical, void* virt, uint32_t size);
int32_t AX_SYS_MinvalidateCache(uint64_t physical, void* virt, uint32_t size);
int32_t AX_SYS_MemQueryStatus(AX_CMM_STATUS_T* status);

/* Present exactly when the library is the simulator. */
extern const char axsim_board_marker[];

#ifdef __cplusplus
}
#endif
#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
