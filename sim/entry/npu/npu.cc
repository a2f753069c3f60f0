// The exported functions of libaxcl_npu.so.
#include "abi/axcl_npu.h"
#include "sim/engine_abi/calls.h"
#include "sim/entry/npu/axcl_runtime.h"

namespace {

// Never destroyed: programs call from exit handlers.
axsim::engine_abi::Calls& EngineCalls() {
  static auto* calls = new axsim::engine_abi::Calls(axsim::npu::AxclRuntime());
  return *calls;
}

}  // namespace

#define AX_ENGINE_SYMBOL(name) AXCL_ENGINE_##name
#include "sim/engine_abi/symbols.inc"
