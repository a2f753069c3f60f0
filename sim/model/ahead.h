// What a thread reads into its cache while it waits for others: the beginning of the weights that
// it will multiply next, so that memory is never idle.
#pragma once

#include <algorithm>
#include <cstddef>

#include "sim/model/matrix.h"
#include "sim/model/phase.h"

namespace axsim::model {

class Ahead {
 public:
  // Of the stretch of `matrix` that thread `thread` of `crew` begins with.
  void Aim(const Matrix& matrix, const Crew& crew, uint32_t thread) {
    if (thread < crew.stretches()) Aim(matrix, crew.StretchBegin(thread, UnitCount(matrix, 1)));
  }
  // Of `matrix`, beginning with unit `unit`, for one token.
  void Aim(const Matrix& matrix, size_t unit) {
    const auto* data = static_cast<const std::byte*>(matrix.data);
    next_ = data + UnitSlice(matrix, 1, unit).first * matrix.row_bytes();
    end_ = std::min(next_ + kMostBytes, data + matrix.rows * matrix.row_bytes());
  }
  void Stop() { next_ = end_; }

  // A few lines, so that a wait that is over is soon noticed.
  void operator()() {
    for (int line = 0; line < 4 && next_ < end_; ++line, next_ += 64) {
      __builtin_prefetch(next_, 0, 2);
    }
  }

 private:
  // About what memory delivers to one core in the longest of these waits; far less than a cache.
  static constexpr size_t kMostBytes = 32768;

  const std::byte* next_ = nullptr;
  const std::byte* end_ = nullptr;
};

}  // namespace axsim::model
