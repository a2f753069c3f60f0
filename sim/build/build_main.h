// The command `axollama-sim build`.
#pragma once

namespace axsim::build {

// argv[0] is "axollama-sim build". Returns the exit code: 0, 1 failed, 2 wrong usage,
// 130 interrupted by SIGINT, SIGTERM or SIGHUP.
int BuildMain(int argc, char** argv);

}  // namespace axsim::build
