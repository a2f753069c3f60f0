// What a card_player notes down for the test that kills it: how much of the card's memory it holds.
// A file mapped by both. `low` and `high` bound what the card's books say of the process whenever
// it may be killed: they differ while a call is under way.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace axsim::entry {

struct Journal {
  static constexpr size_t kThreads = 2;
  struct Thread {
    std::atomic<uint64_t> low;
    std::atomic<uint64_t> high;
  };
  std::atomic<uint64_t> steps;  // of all threads
  Thread threads[kThreads];
};

}  // namespace axsim::entry
