// The exported functions of libax_engine.so: thin, over the board that libax_sys.so holds.
#include "abi/ax_engine.h"

#include "sim/engine_abi/calls.h"
#include "sim/onboard/board_runtime.h"

namespace {

// Never destroyed: programs call from exit handlers.
axsim::engine_abi::Calls& EngineCalls() {
  static auto* calls = new axsim::engine_abi::Calls(*axsim_board_runtime());
  return *calls;
}

}  // namespace

#define AX_ENGINE_SYMBOL(name) AX_ENGINE_##name
#include "sim/engine_abi/symbols.inc"
