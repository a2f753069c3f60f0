#include "sim/probe/machine.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace axsim::probe {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kReadBytes = size_t{256} << 20;  // several times the largest cache
constexpr int kRounds = 7;
constexpr uint64_t kTurns = 1'000'000;  // a turn takes some 4 ns

// Seconds of the fastest round in which all threads ran f(thread) once.
template <typename F>
double FastestRound(uint32_t threads, const F& f) {
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    std::atomic<uint32_t> ready = 0;
    std::vector<Clock::time_point> begin(threads), end(threads);
    {
      std::vector<std::jthread> workers;
      for (uint32_t t = 0; t < threads; ++t) {
        workers.emplace_back([&, t] {
          ++ready;
          while (ready.load() < threads) std::this_thread::yield();
          begin[t] = Clock::now();
          f(t);
          end[t] = Clock::now();
        });
      }
    }
    const auto first = *std::min_element(begin.begin(), begin.end());
    const auto last = *std::max_element(end.begin(), end.end());
    best = std::min(best, std::chrono::duration<double>(last - first).count());
  }
  return best;
}

// Every cache line once; four streams of sums, so that no addition is waited for.
uint64_t Sum(const uint64_t* data, size_t count) {
  uint64_t sums[4] = {};
  for (size_t i = 0; i + 32 <= count; i += 32) {
    for (size_t s = 0; s < 4; ++s) sums[s] += data[i + 8 * s];
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

}  // namespace

double ReadSpeed(uint32_t threads) {
  void* memory =
      mmap(nullptr, kReadBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
  auto* data = static_cast<uint64_t*>(memory);
  const size_t count = kReadBytes / sizeof(uint64_t);
  std::fill_n(data, count, uint64_t{1});  // else every page would be the same one
  const size_t share = count / threads / 32 * 32;
  std::atomic<uint64_t> sink = 0;
  const double seconds =
      FastestRound(threads, [&](uint32_t t) { sink += Sum(data + t * share, share); });
  munmap(memory, kReadBytes);
  return static_cast<double>(share * threads * sizeof(uint64_t)) / seconds;
}

double MultiplyAddSpeed(const kernels::Kernels& kernels, uint32_t threads) {
  const double seconds = FastestRound(threads, [&](uint32_t) { kernels.multiply_adds(kTurns); });
  return static_cast<double>(kernels.multiply_adds(1)) * static_cast<double>(kTurns) * threads /
         seconds;
}

}  // namespace axsim::probe
