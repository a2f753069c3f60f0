#include "device/axengine/errors.h"

#include <fmt/core.h>

#include "abi/ax_engine_type.h"
#include "abi/ax_sys.h"

namespace axollama::device::axengine {
namespace {

struct Meaning {
  ErrorKind kind;
  std::string_view what;
  std::string_view advice;  // may be empty
};

Meaning KnownCode(int32_t code) {
  switch (code) {
    case AX_ERR_CMM_NOTREADY:
      return {ErrorKind::kUnavailable, "the board's memory driver is not ready",
              "load the board's kernel modules (/soc/scripts/auto_load_all_drv.sh) and look at "
              "`dmesg`; for the simulated board, AXOLLAMA_LOG=error shows the reason"};
    case AX_ERR_CMM_NOMEM:
      return {ErrorKind::kNoMemory, "the board is out of memory for the NPU (CMM)",
              "unload other models, or stop other programs that use the NPU"};
    case AX_ERR_CMM_ILLEGAL_PARAM:
    case AX_ERR_CMM_NULL_PTR:
    case AX_ERR_CMM_FREE_FAIL:
      return {ErrorKind::kInternal, "the address is not one of the board's memory", ""};
    case AX_ENGINE_ERR_HANDLE:
      return {ErrorKind::kInternal, "the engine knows no such model", ""};
    case AX_ENGINE_ERR_NULL:
      return {ErrorKind::kInternal, "null pointer", ""};
    case AX_ENGINE_ERR_INIT:
      return {ErrorKind::kUnavailable, "the engine did not start",
              "another program may use the NPU divided (virtual NPU): stop it"};
    case AX_ENGINE_ERR_RUN:
      return {ErrorKind::kDevice, "the NPU failed, or memory (CMM) is short",
              "`dmesg` says more; the board may need a restart"};
    default:
      return {ErrorKind::kDevice, "a code of the board's own", "`dmesg` may say more"};
  }
}

}  // namespace

Error Describe(std::string_view symbol, int32_t code, std::string_view detail) {
  const Meaning meaning = KnownCode(code);
  return {meaning.kind,
          fmt::format("{} failed{}{} with 0x{:08X} ({}){}{}", symbol, detail.empty() ? "" : " for ",
                      detail, static_cast<uint32_t>(code), meaning.what,
                      meaning.advice.empty() ? "" : ": ", meaning.advice)};
}

}  // namespace axollama::device::axengine
