/* A program in C11 against every header of the ABI: they compile there, and what they declare is
 * what the libraries do. Exits with 0, or with the number of the line that failed. */
#include <stddef.h>
#include <string.h>

#include "abi/ax_engine.h"
#include "abi/ax_sys.h"
#include "abi/axcl.h"
#include "abi/axcl_internal.h"
#include "abi/axcl_npu.h"

#define CHECK(condition) \
  if (!(condition)) return __LINE__ % 256

/* As the vendor's 64-bit headers have them. */
_Static_assert(sizeof(axclrtDeviceList) == 1028, "");
_Static_assert(sizeof(axclrtDeviceProperties) == 240, "");
_Static_assert(offsetof(axclrtDeviceProperties, npuLoading) == 108, "");
_Static_assert(sizeof(axclrtEngineIODims) == 132, "");
_Static_assert(offsetof(AX_ENGINE_IOMETA_T, nSize) == 40, "");
_Static_assert(offsetof(AX_ENGINE_IOMETA_T, pStride) == 48, "");
_Static_assert(offsetof(AX_ENGINE_IOMETA_T, u64Reserved) == 56, "");
_Static_assert(offsetof(AX_ENGINE_IO_INFO_T, bDynamicBatchSize) == 32, "");
_Static_assert(offsetof(AX_ENGINE_IO_INFO_T, u64Reserved) == 40, "");
_Static_assert(offsetof(AX_ENGINE_IO_BUFFER_T, nStrideSize) == 32, "");
_Static_assert(offsetof(AX_ENGINE_IO_T, pIoSetting) == 32, "");
_Static_assert(offsetof(AX_ENGINE_IO_T, nParallelRun) == 40, "");
_Static_assert(offsetof(AX_CMM_STATUS_T, Partition) == 16, "");
_Static_assert(sizeof(AX_PARTITION_INFO_T) == 48, "");
_Static_assert(sizeof(AX_CMM_STATUS_T) == 792, "");

static int Board(void) {
  CHECK(AX_SYS_Init() == AX_SUCCESS);
  AX_ENGINE_NPU_ATTR_T attributes;
  memset(&attributes, 0, sizeof(attributes));
  CHECK(AX_ENGINE_Init(&attributes) == 0);
  AX_CMM_STATUS_T status;
  CHECK(AX_SYS_MemQueryStatus(&status) == AX_SUCCESS);
  CHECK(status.TotalSize == 7040u << 10);
  uint64_t physical = 0;
  void* virt = NULL;
  CHECK(AX_SYS_MemAlloc(&physical, &virt, 256, 128, (const int8_t*)"npu") == AX_SUCCESS);
  memset(virt, 7, 256);
  CHECK(AX_SYS_MflushCache(physical, virt, 256) == AX_SUCCESS);
  CHECK(AX_SYS_MemFree(physical, virt) == AX_SUCCESS);
  CHECK(AX_ENGINE_Deinit() == 0);
  CHECK(AX_SYS_Deinit() == AX_SUCCESS);
  return 0;
}

static int Card(void) {
  axclrtDeviceList list;
  CHECK(axclInit(NULL) == AXCL_SUCC);
  CHECK(axclrtGetDeviceList(&list) == AXCL_SUCC && list.num == 1);
  CHECK(axclrtSetDevice(list.devices[0]) == AXCL_SUCC);
  AX_ENGINE_NPU_ATTR_T attributes;
  memset(&attributes, 0, sizeof(attributes));
  CHECK(AXCL_ENGINE_Init(&attributes) == 0);
  AX_ENGINE_HANDLE handle = NULL;
  CHECK(AXCL_ENGINE_CreateHandle(&handle, NULL, 0) == AX_ENGINE_ERR_NULL);
  CHECK(AXCL_ENGINE_Deinit() == 0);
  CHECK(axclrtGetDevicePidInfo(0, NULL) != AXCL_SUCC);
  CHECK(axclrtResetDevice(list.devices[0]) == AXCL_SUCC);
  CHECK(axclFinalize() == AXCL_SUCC);
  return 0;
}

int main(void) {
  const int board = Board();
  return board != 0 ? board : Card();
}
