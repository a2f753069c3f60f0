// The runtime of AXCL_ENGINE_*: the exported functions of libaxcl_rt.so, so that both libraries
// share one card, one memory and one set of models.
//
// As with every axclrt function, the calling thread's context says which device is meant; a thread
// without one gets that library's error. Owner: static. Threads: any.
#pragma once

#include "sim/engine_abi/runtime.h"

namespace axsim::npu {

engine_abi::Runtime& AxclRuntime();

}  // namespace axsim::npu
