/* A library that has only some functions of the ABI, as one of another chip would. */
#include "abi/ax_engine.h"
#include "abi/ax_sys.h"

int32_t AX_SYS_Init(void) { return AX_SUCCESS; }
int32_t AX_SYS_Deinit(void) { return AX_SUCCESS; }
int32_t AX_SYS_MemAllocCached(uint64_t* physical, void** virt, uint32_t size, uint32_t align,
                              const int8_t* token) {
  (void)physical, (void)virt, (void)size, (void)align, (void)token;
  return AX_ERR_CMM_NOMEM;
}
const char* AX_ENGINE_GetVersion(void) { return "2.0"; }
