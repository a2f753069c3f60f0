/* A library that has only the first functions of the ABI, as a wrong or damaged one would. */
#include "abi/axcl.h"

axclError axclInit(const char* config) {
  (void)config;
  return AXCL_SUCC;
}
axclError axclFinalize(void) { return AXCL_SUCC; }
axclError axclrtGetDeviceList(axclrtDeviceList* list) {
  list->num = 0;
  return AXCL_SUCC;
}
