// Counts heap allocations by thread, so that "nothing is allocated per token" is a number.
//
// A program that uses this gets operator new and delete from allocations.cc. Not counted: malloc
// itself, and what is called from inside a library named by LeaveOut.
// Threads: any; each sees its own count.
#pragma once

#include <cstdint>
#include <string_view>

namespace axollama::runner {

// Calls of operator new by this thread since it began.
uint64_t ThreadAllocations();

// The device's library: its allocations are not ours. Once, before counting; `path` as loaded.
void LeaveOut(std::string_view path);

}  // namespace axollama::runner
