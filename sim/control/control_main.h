// `axollama-sim status`, `axollama-sim fault` and `axollama-sim reset`: main functions.
// Exit codes: 0, 1 failed, 2 wrong usage.
#pragma once

namespace axsim::control {

int StatusMain(int argc, char** argv);
int FaultMain(int argc, char** argv);
int ResetMain(int argc, char** argv);

}  // namespace axsim::control
