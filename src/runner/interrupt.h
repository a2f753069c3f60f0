// Ctrl-C and SIGTERM for the programs that measure: they must free the card before they end, since
// a process that dies leaves the card's memory taken.
//
// Threads: process-wide; install once, before others start.
#pragma once

namespace axollama::runner {

void CatchInterrupts();
bool Interrupted();

}  // namespace axollama::runner
