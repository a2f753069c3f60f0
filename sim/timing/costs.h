// What the real card's time is made of: every constant of the profiles, with its source.
//
// The numbers were published by people who measured an M.2 card (AX8850) in a Raspberry Pi 5:
//   [W] woolcoxm/Axera-AX8850-GGUF-Support (README, NOTES, PERF-*): the Pi 5 itself
//   [O] onnxsim/onnxsim (docs/axera-*): loads, on a PC
// Profiles: `off` has no time, a call returns when the CPU is done. `pi5` is the card behind the
// Pi's PCIe lane. `native` is the same chip running the program itself: no bus, no calls to wait
// for.
// Threads: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace axsim::timing {

// An execute that does next to nothing: handing over, starting the NPU, answering [W].
inline constexpr int64_t kFixedNs = 457'000;

// One row through a layer of Qwen3-0.6B over 2,048 cache rows, by the weights' type, and through
// its post model; the fixed part included [W].
inline constexpr int64_t kLayerS8Ns = 1'500'000;
inline constexpr int64_t kLayerS4Ns = 1'170'000;
inline constexpr int64_t kLayerBf16Ns = 3'240'000;
inline constexpr int64_t kPostNs = 7'900'000;
// That model: what other shapes are held against.
inline constexpr int64_t kReferenceHidden = 1024;
inline constexpr int64_t kReferenceHeads = 16;
inline constexpr int64_t kReferenceKvHeads = 8;
inline constexpr int64_t kReferenceHeadDim = 128;
inline constexpr int64_t kReferenceFfn = 3072;
inline constexpr int64_t kReferenceVocab = 151'936;
inline constexpr int64_t kReferenceRows = 2048;
// Bytes that a shape has more (weights and caches) are read at this speed [W].
inline constexpr double kMemoryBytesPerNs = 25.0;
// The chip keeps floating-point weights, bf16 too, as 4 bytes [O].
inline constexpr double kBf16WeightBytes = 4.0;
inline constexpr double kS4WeightBytes = 0.5;

// A chunk of 128 rows through the same layer: the first one, and the last of 2,048 [W]. The chunk's
// own arithmetic scales with rows and weights, the rest with rows, history and heads.
inline constexpr int64_t kFirstChunkNs = 2'800'000;
inline constexpr int64_t kLastChunkNs = 5'200'000;
inline constexpr int64_t kChunkRows = 128;
inline constexpr int64_t kLastChunkHistory = kReferenceRows - kChunkRows;

// A synchronous call without much data: to the card's worker process and back [W].
inline constexpr int64_t kSmallCallNs = 155'000;
// What a call saves when it is queued and nobody waits for its answer; measured for executes [W]
// (28 of them queued: 18.9 to 19.6 tokens/s), taken for all.
inline constexpr int64_t kQueuedSavingNs = 68'000;
// PCIe Gen2 x1, either way [W].
inline constexpr double kBusBytesPerNs = 0.420;
// LoadFromFile, the way over the bus included: 134 MB in 2.4 s, 1,720 MB in 34 s [O]. (The vendor's
// program on a Pi 5 takes 36 s for 596 MB and 65 s for 1,720 MB, reading the files included.)
inline constexpr double kLoadBytesPerNs = 0.050;

// The times of one profile.
struct Costs {
  bool timed = false;  // false: nothing takes time but the CPU's work
  int64_t small_call_ns = 0;
  int64_t queued_saving_ns = 0;
  double bus_ns_per_byte = 0;
  double load_ns_per_byte = 0;  // without the bus

  int64_t BusNs(uint64_t bytes) const {
    return static_cast<int64_t>(static_cast<double>(bytes) * bus_ns_per_byte);
  }
  int64_t LoadNs(uint64_t bytes) const {
    return static_cast<int64_t>(static_cast<double>(bytes) * load_ns_per_byte);
  }
  // Within the card's memory; copying reads and writes.
  int64_t MemoryNs(uint64_t bytes) const {
    return timed ? static_cast<int64_t>(static_cast<double>(bytes) / kMemoryBytesPerNs) : 0;
  }
};

// nullptr: no such profile.
const Costs* FindCosts(std::string_view profile);
// "off, pi5, native", for errors.
std::string ProfileNames();

}  // namespace axsim::timing
