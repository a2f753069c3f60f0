// Whether a disk has room for what is about to be written, so that a long work fails at once and
// not at its end. Threads: a plain function.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "base/result.h"

namespace axollama {

// kIo with the sizes when the file system of `folder`, or of what of its path is there, has fewer
// than `bytes` left. `what` is about to need them ("the model"). A file system that does not say
// has room.
Status CheckDiskRoom(const std::filesystem::path& folder, uint64_t bytes, std::string_view what);

}  // namespace axollama
