// `axollama-sim probe`: a model's speed on this CPU beside what the CPU's memory and multipliers
// give at best. Exit codes: 0, 1 failed, 2 wrong usage.
#pragma once

namespace axsim::probe {

int ProbeMain(int argc, char** argv);

}  // namespace axsim::probe
