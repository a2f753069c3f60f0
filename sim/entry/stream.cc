// The ABI's stream and event calls.
#include "sim/card/stream.h"

#include "abi/axcl.h"
#include "sim/card/driver.h"

using axsim::card::Driver;

extern "C" {

axclError axclrtCreateStream(axclrtStream* stream) {
  if (stream == nullptr) return AXCL_ERR_STREAM_NULL;
  return Driver::Get().CreateStream(stream);
}

axclError axclrtDestroyStream(axclrtStream stream) {
  if (stream == nullptr) return AXCL_ERR_STREAM_NULL;
  return Driver::Get().DestroyStream(stream, false);
}

axclError axclrtDestroyStreamForce(axclrtStream stream) {
  if (stream == nullptr) return AXCL_ERR_STREAM_NULL;
  return Driver::Get().DestroyStream(stream, true);
}

axclError axclrtSynchronizeStream(axclrtStream stream) {
  if (stream == nullptr) return AXCL_ERR_STREAM_NULL;
  return Driver::Get().SynchronizeStream(stream, AXCL_NO_TIMEOUT);
}

axclError axclrtSynchronizeStreamWithTimeout(axclrtStream stream, int32_t timeout_ms) {
  if (stream == nullptr) return AXCL_ERR_STREAM_NULL;
  return Driver::Get().SynchronizeStream(stream, timeout_ms);
}

axclError axclrtGetDefaultStream(axclrtContext context, axclrtStream* stream) {
  if (context == nullptr || stream == nullptr) return AXCL_ERR_STREAM_NULL;
  return Driver::Get().GetDefaultStream(context, stream);
}

axclError axclrtCreateEvent(axclrtEvent* event) {
  if (event == nullptr) return AXCL_ERR_EVENT_NULL;
  return Driver::Get().CreateEvent(event);
}

axclError axclrtDestroyEvent(axclrtEvent event) {
  if (event == nullptr) return AXCL_ERR_EVENT_NULL;
  return Driver::Get().DestroyEvent(event);
}

axclError axclrtRecordEvent(axclrtEvent event, axclrtStream stream) {
  if (event == nullptr || stream == nullptr) return AXCL_ERR_EVENT_NULL;
  return Driver::Get().RecordEvent(event, stream);
}

axclError axclrtStreamWaitEvent(axclrtStream stream, axclrtEvent event) {
  if (event == nullptr || stream == nullptr) return AXCL_ERR_EVENT_NULL;
  return Driver::Get().StreamWaitEvent(stream, event, AXCL_NO_TIMEOUT);
}

axclError axclrtStreamWaitEventWithTimeout(axclrtStream stream, axclrtEvent event,
                                           int32_t timeout_ms) {
  if (event == nullptr || stream == nullptr) return AXCL_ERR_EVENT_NULL;
  return Driver::Get().StreamWaitEvent(stream, event, timeout_ms);
}

}  // extern "C"
