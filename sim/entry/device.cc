// The ABI's device and context calls.
#include <algorithm>
#include <vector>

#include "abi/axcl.h"
#include "sim/card/driver.h"

using axsim::card::Driver;

extern "C" {

axclError axclrtGetDeviceList(axclrtDeviceList* list) {
  if (list == nullptr) return AXCL_ERR_DEVICE_NULL;
  std::vector<int32_t> ids;
  const axclError code = Driver::Get().ListCards(&ids);
  list->num = static_cast<uint32_t>(ids.size());
  std::copy(ids.begin(), ids.end(), list->devices);
  return code;
}

axclError axclrtGetDeviceCount(uint32_t* count) {
  if (count == nullptr) return AXCL_ERR_DEVICE_NULL;
  std::vector<int32_t> ids;
  const axclError code = Driver::Get().ListCards(&ids);
  *count = static_cast<uint32_t>(ids.size());
  return code;
}

axclError axclrtSetDevice(int32_t device_id) { return Driver::Get().SetDevice(device_id); }

axclError axclrtResetDevice(int32_t device_id) { return Driver::Get().ResetDevice(device_id); }

axclError axclrtGetDevice(int32_t* device_id) {
  if (device_id == nullptr) return AXCL_ERR_DEVICE_NULL;
  const auto context = Driver::Get().CurrentContext();
  if (context == nullptr) return AXCL_ERR_DEVICE_NO_ACTIVE;
  *device_id = context->session->card_id;
  return AXCL_SUCC;
}

// Waits for every card of the process, whatever the thread is bound to, and never fails.
axclError axclrtSynchronizeDevice(void) {
  Driver::Get().SynchronizeCards();
  return AXCL_SUCC;
}

axclError axclrtGetDeviceProperties(int32_t device_id, axclrtDeviceProperties* properties) {
  if (properties == nullptr) return AXCL_ERR_DEVICE_NULL;
  return Driver::Get().ReadProperties(device_id, properties);
}

axclError axclrtRebootDevice(int32_t device_id) { return Driver::Get().Reboot(device_id); }

axclError axclrtCreateContext(axclrtContext* context, int32_t device_id) {
  if (context == nullptr) return AXCL_ERR_CONTEXT_NULL;
  return Driver::Get().CreateContext(device_id, context);
}

axclError axclrtDestroyContext(axclrtContext context) {
  if (context == nullptr) return AXCL_ERR_CONTEXT_NULL;
  return Driver::Get().DestroyContext(context);
}

axclError axclrtSetCurrentContext(axclrtContext context) {
  if (context == nullptr) return AXCL_ERR_CONTEXT_NULL;
  return Driver::Get().SetCurrentContext(context);
}

axclError axclrtGetCurrentContext(axclrtContext* context) {
  if (context == nullptr) return AXCL_ERR_CONTEXT_NULL;
  const auto current = Driver::Get().CurrentContext();
  if (current == nullptr) return AXCL_ERR_CONTEXT_NOT_BOUND;
  *context = current->handle;
  return AXCL_SUCC;
}

axclError axclrtGetDefaultContext(axclrtContext* context, int32_t device_id) {
  if (context == nullptr) return AXCL_ERR_CONTEXT_NULL;
  return Driver::Get().GetDefaultContext(device_id, context);
}

axclError axclrtGetContextId(axclrtContext context, int32_t* id) {
  if (context == nullptr || id == nullptr) return AXCL_ERR_CONTEXT_NULL;
  const auto found = Driver::Get().FindContext(context);
  if (found == nullptr) return AXCL_ERR_CONTEXT_NOT_BOUND;
  *id = found->id;
  return AXCL_SUCC;
}

}  // extern "C"
