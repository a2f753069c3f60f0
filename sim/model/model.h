// Executes a simulated .axmodel on the CPU: the card's NPU.
//
// Order of arithmetic (design 6): one row gives the same bits whichever group, thread count or
// neighbouring rows it is computed with. Attention visits positions in ascending order and skips
// masked rows before any arithmetic; K and V are rounded to bf16 before use; threads divide rows or
// heads, never a sum.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sim/container/axmodel.h"

namespace axsim::model {

// The CPU that executes: a thread pool, scratch memory and one set of kernels. One per process.
// Threads: Run is serialised by the caller (the card's engine lock).
class Executor {
 public:
  struct Options {
    uint32_t threads = 0;      // 0: the fastest count, measured at the first Run
    std::string isa = "auto";  // auto, scalar, avx2, avx512vnni, neon, neon_dotprod
  };
  // Refuses an unknown ISA and one that this CPU lacks; the error lists what there is.
  static axollama::Result<std::unique_ptr<Executor>> Create(const Options& options);
  virtual ~Executor() = default;
  virtual std::string_view isa() const = 0;
  virtual uint32_t threads() const = 0;
  // Takes another thread count from the next Run on; 0 as in Options.
  virtual void SetThreads(uint32_t threads) = 0;

 protected:
  Executor() = default;
};

// One loaded model. Owner: the caller; `file` must outlive it. Immutable: any thread may read it.
class Model {
 public:
  static axollama::Result<std::unique_ptr<Model>> Load(std::span<const std::byte> file);
  virtual ~Model() = default;
  virtual const container::Model& description() const = 0;

  // Runs one group. inputs and outputs are in the group's order, each at least the tensor's size
  // (more is ignored) and at least 2-byte aligned; an output may alias a cache row that this run
  // masks. No heap allocation after the first run of each group.
  virtual axollama::Status Run(Executor& executor, uint32_t group,
                               std::span<const std::span<std::byte>> inputs,
                               std::span<const std::span<std::byte>> outputs) const = 0;

 protected:
  Model() = default;
};

}  // namespace axsim::model
