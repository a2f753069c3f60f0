// The one implementation of Executor: kernels, pool and scratch.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <new>
#include <span>

#include "sim/kernels/kernels.h"
#include "sim/model/matrix.h"
#include "sim/model/model.h"
#include "sim/model/pool.h"

namespace axsim::model {

class CpuExecutor final : public Executor {
 public:
  CpuExecutor(const kernels::Kernels& kernels, uint32_t threads)
      : kernels_(kernels), requested_(threads), narrow_(threads) {}

  std::string_view isa() const override { return kernels_.name; }
  uint32_t threads() const override { return narrow_.load(std::memory_order_relaxed); }
  void SetThreads(uint32_t threads) override { requested_.store(threads); }

  const kernels::Kernels& kernels() const { return kernels_; }

  // Starts the threads if their number is not what was asked for. Where it is to be measured,
  // that is done by streaming `matrices`, which is what decoding does.
  void Prepare(std::span<const Matrix> matrices);

  // Valid after Prepare. Decoding reads memory, and few threads may read it fastest; a chunk of
  // tokens computes, and takes them all.
  uint32_t ThreadsFor(size_t tokens) const { return tokens < 4 ? threads() : wide_; }
  Pool& pool() { return *pool_; }

  // Scratch of at least that size, 64-byte aligned, contents undefined; the same memory each time.
  std::byte* Reserve(size_t bytes);

 private:
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{64}); }
  };

  uint32_t Measure(std::span<const Matrix> matrices);

  const kernels::Kernels& kernels_;
  std::atomic<uint32_t> requested_;
  uint32_t prepared_for_ = UINT32_MAX;
  std::atomic<uint32_t> narrow_;  // 0: not yet measured
  uint32_t wide_ = 1;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<std::byte, Free> scratch_;
  size_t scratch_bytes_ = 0;
};

// Lays out scratch: first without a base, to learn the size, then with it.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}
  template <typename T>
  T* Take(size_t count) {
    const size_t at = used_;
    used_ += (count * sizeof(T) + 63) / 64 * 64;
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + at);
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_;
  size_t used_ = 0;
};

}  // namespace axsim::model
