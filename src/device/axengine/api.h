// The functions of an AX650 board's libax_sys.so and libax_engine.so, looked up by name at run
// time.
//
// Nothing is linked, so that the program starts on any machine, and the board's libraries and the
// simulated ones can take each other's place. A missing function is an error that names it.
// Owner: shared by everything of one Device. The libraries stay mapped until the process ends.
// Threads: const after Load; the functions may be called from any.
#pragma once

#include <memory>
#include <string>

#include "abi/ax_engine.h"
#include "abi/ax_sys.h"
#include "base/result.h"

namespace axollama::device::axengine {

// X(symbol without its prefix)
// clang-format off: it indents such lists a step more with every run.
#define AX_SYS_FUNCTIONS(X)                                                                   \
  X(Init) X(Deinit) X(MemAllocCached) X(MemFree) X(MflushCache) X(MinvalidateCache)           \
  X(MemQueryStatus)
#define AX_ENGINE_FUNCTIONS(X)                                                                \
  X(GetVersion) X(Init) X(Deinit) X(CreateHandleV2) X(DestroyHandle) X(GetIOInfo)             \
  X(GetGroupIOInfoCount) X(GetGroupIOInfo) X(CreateContextV2) X(RunSyncV2) X(RunGroupIOSync)  \
  X(GetModelToolsVersion)
// clang-format on

struct Api {
  // AXOLLAMA_AX_SYS_LIB and AXOLLAMA_AX_ENGINE_LIB, else the system's, else those of /soc/lib.
  // `not_found`, if not null, is set to whether that failed because there is no such library.
  static Result<std::shared_ptr<const Api>> Load(bool* not_found);

  std::string path;        // of libax_engine.so, where the loader found it
  bool simulated = false;  // the libraries are ours: there is axsim_board_marker
  struct {
#define AX_MEMBER(name) decltype(&AX_SYS_##name) name = nullptr;
    AX_SYS_FUNCTIONS(AX_MEMBER)
#undef AX_MEMBER
  } sys;
  struct {
#define AX_MEMBER(name) decltype(&AX_ENGINE_##name) name = nullptr;
    AX_ENGINE_FUNCTIONS(AX_MEMBER)
#undef AX_MEMBER
  } engine;
};

}  // namespace axollama::device::axengine
