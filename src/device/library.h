// Which shared library drives the card (design 4). Threads: plain functions.
#pragma once

#include <string>
#include <vector>

#include "device/device.h"

namespace axollama::device {

// Names to try with dlopen, in order. AXOLLAMA_AXCL_LIB alone if it is set. For kSim: beside the
// program, `sim/libaxcl_rt.so` (build tree) or `../lib/axollama/libaxcl_rt.so` (prefix).
std::vector<std::string> LibraryCandidates(Backend backend);

// The error for when none of them could be opened; `reasons` are the loader's words.
Error NoLibrary(Backend backend, const std::string& reasons);

}  // namespace axollama::device
