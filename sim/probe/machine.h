// What this machine's memory and arithmetic give at best: what a model's speed is held against.
// Both are the best of several rounds, all threads at once.
// Threads: start and end within the call.
#pragma once

#include <cstdint>

#include "sim/kernels/kernels.h"

namespace axsim::probe {

// Bytes per second that `threads` threads read from memory that no cache holds. 0 without memory.
double ReadSpeed(uint32_t threads);

// Multiply-adds per second of int16 pairs, on registers alone.
double MultiplyAddSpeed(const kernels::Kernels& kernels, uint32_t threads);

}  // namespace axsim::probe
