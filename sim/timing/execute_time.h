// How long the card takes for one execute. Deterministic: shapes alone decide. Threads: any.
#pragma once

#include <cstdint>

#include "sim/container/axmodel.h"
#include "sim/spec/program.h"

namespace axsim::timing {

// One execute of `group` by itself, waited for; costs.h says what it is made of.
// `group` must fit the program, as container::Read makes sure of.
int64_t ExecuteNs(const spec::Program& program, const container::Group& group);

}  // namespace axsim::timing
