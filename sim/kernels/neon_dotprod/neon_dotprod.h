// The kernels for arm64 with the dot product instructions: sdot and udot multiply 16 pairs of bytes
// and add them up by fours. The rules of neon/neon.h hold here too, and its functions are used for
// everything but matrices of codes.
#pragma once

#include "sim/kernels/kernels.h"

namespace axsim::kernels::neon_dotprod {

extern const Kernels kTable;

void S8Matmul(const S8Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel);
void S4Matmul(const S4Matrix& w, const QuantizedRows& x, float* y, size_t y_stride, void* panel);
uint64_t MultiplyAdds(uint64_t turns);

}  // namespace axsim::kernels::neon_dotprod
