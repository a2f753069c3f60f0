// How libax_engine.so reaches the board that libax_sys.so holds: the one symbol between them, which
// are built and shipped together. Owner: libax_sys.so. Threads: any.
#pragma once

#include "sim/engine_abi/runtime.h"

extern "C" {

__attribute__((visibility("default"))) axsim::engine_abi::Runtime* axsim_board_runtime(void);
}
