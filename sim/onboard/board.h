// The simulated board: what libax_sys.so and libax_engine.so of one process share. The board is the
// first card of the simulated card's configuration, seen from inside: the same memory, books, NPU
// and models, without a bus, contexts per thread or streams.
//
// Owner: libax_sys.so, never destroyed: programs call from exit handlers. libax_engine.so gets the
// engine by board_runtime.h. Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

#include "sim/card/driver.h"

namespace axsim::onboard {

class Board {
 public:
  static Board& Get();

  // AX_SYS_Init and AX_SYS_Deinit, counted. The last Close frees the process's memory and models.
  int32_t Open();
  int32_t Close();

  // nullptr: not open, or the card was rebooted since.
  std::shared_ptr<card::Context> context() const;

  std::atomic<uint32_t> blocks{0};  // that MemAlloc gave out

 private:
  Board() = default;

  mutable std::mutex mutex_;
  uint32_t opens_ = 0;
  int32_t card_id_ = 0;
  std::shared_ptr<card::Context> context_;
};

}  // namespace axsim::onboard
