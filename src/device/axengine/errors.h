// What the codes of AX_SYS_* and AX_ENGINE_* mean, and what to do. Threads: plain functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace axollama::device::axengine {

// The Error for `symbol` having returned `code`; `detail` says what for.
Error Describe(std::string_view symbol, int32_t code, std::string_view detail = "");

}  // namespace axollama::device::axengine
