// The warden's loop: lines in, answers out, and an end that a hanging library cannot hold up.
#pragma once

#include <chrono>
#include <memory>

#include "warden/questions.h"

namespace axollama::warden {

struct LoopOptions {
  int in_fd = -1;
  int out_fd = -1;
  int lifeline_fd = -1;  // -1: none
  // What questions that came before the end of `in_fd` may still take.
  std::chrono::milliseconds grace{4'000};
};

// Answers the lines of in_fd in order. Returns when the lifeline or out_fd has ended, at once, or
// in_fd, when its questions are answered or the grace is over. A question is asked on a thread of
// its own, which is left behind when the library hangs: the caller ends the process without waiting
// for it. The descriptors stay the caller's and must outlive that thread.
// Threads: one. A line over 64 KiB is refused, and skipped to its end.
void RunLoop(std::unique_ptr<CardAccess> card, const LoopOptions& options);

}  // namespace axollama::warden
