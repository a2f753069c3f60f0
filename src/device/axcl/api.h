// The functions of a libaxcl_rt.so, looked up by name at run time.
//
// Nothing is linked, so that the program starts without any card, and the vendor's library and the
// simulated card's can take each other's place. A missing optional symbol is an absent feature
// (nullptr); a missing required one is an error that names it.
// Owner: shared by everything of one Device. The library stays mapped until the process ends: the
// vendor's has threads that outlive axclFinalize.
// Threads: const after Load; the functions have the library's own rules.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "abi/axcl.h"
#include "base/result.h"
#include "device/device.h"

namespace axollama::device::axcl {

// X(symbol without its `axcl` prefix)
// clang-format off: it indents such lists a step more with every run.
#define AXCL_REQUIRED(X)                                                                        \
  X(Init) X(Finalize) X(rtGetDeviceList) X(rtSetDevice) X(rtResetDevice) X(rtGetCurrentContext) \
  X(rtSetCurrentContext) X(rtMalloc) X(rtFree) X(rtMemset) X(rtMemcpy) X(rtEngineInit)          \
  X(rtEngineFinalize) X(rtEngineLoadFromFile) X(rtEngineUnload) X(rtEngineCreateContext)        \
  X(rtEngineGetIOInfo) X(rtEngineDestroyIOInfo) X(rtEngineGetShapeGroupsCount)                  \
  X(rtEngineGetNumInputs) X(rtEngineGetNumOutputs) X(rtEngineGetInputNameByIndex)               \
  X(rtEngineGetOutputNameByIndex) X(rtEngineGetInputSizeByIndex)                                \
  X(rtEngineGetOutputSizeByIndex) X(rtEngineGetInputDims) X(rtEngineGetOutputDims)              \
  X(rtEngineGetInputDataType) X(rtEngineGetOutputDataType) X(rtEngineCreateIO)                  \
  X(rtEngineDestroyIO) X(rtEngineSetInputBufferByIndex) X(rtEngineSetOutputBufferByIndex)       \
  X(rtEngineExecute)
#define AXCL_OPTIONAL(X)                                                                        \
  X(rtGetDeviceProperties) X(rtRebootDevice) X(rtEngineGetModelCompilerVersion)                 \
  X(rtGetFullVersion) X(rtCreateStream) X(rtDestroyStream) X(rtDestroyStreamForce)              \
  X(rtSynchronizeStreamWithTimeout) X(rtMemcpyAsync) X(rtMemsetAsync) X(rtEngineExecuteAsync)
// clang-format on

struct Api {
  // Tries the candidates in order and takes the first that opens. `not_found` is set to whether
  // none did.
  static Result<std::shared_ptr<const Api>> Load(Backend backend,
                                                 const std::vector<std::string>& candidates,
                                                 bool* not_found);

  std::string path;        // where the loader found it
  bool simulated = false;  // the library is ours: it has axsim_marker
#define AXCL_MEMBER(name) decltype(&axcl##name) name = nullptr;
  AXCL_REQUIRED(AXCL_MEMBER)
  AXCL_OPTIONAL(AXCL_MEMBER)
#undef AXCL_MEMBER
};

}  // namespace axollama::device::axcl
