// AXCL error codes in words: what the code means and what the user can do about it.
// Threads: plain functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace axollama::device::axcl {

// `axclrtEngineExecute failed for DETAIL with 0x8030070C (MEANING): ADVICE`. The detail may be
// empty.
Error Describe(std::string_view symbol, int32_t code, std::string_view detail = "");

}  // namespace axollama::device::axcl
