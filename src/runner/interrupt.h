// Ctrl-C and SIGTERM for the programs that measure: they must free the card before they end, since
// a process that dies leaves the card's memory taken.
//
// Threads: process-wide; install once, before others start.
#pragma once

namespace axollama::runner {

void CatchInterrupts();
bool Interrupted();

// What such a program exits with after an interrupt.
inline constexpr int kInterruptedExit = 130;

}  // namespace axollama::runner
