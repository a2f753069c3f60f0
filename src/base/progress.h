// The progress page: how a runner tells its supervisor that the device still moves.
//
// A file of one page, mapped shared by the runner (writer) and `serve` (reader). A runner counts as
// stuck when it is busy and its last progress is too old, whatever its HTTP side still answers.
// Owner: the supervisor creates and deletes the file; each side owns its mapping.
// Threads: the fields are atomics; any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>

#include "base/result.h"

namespace axollama {

enum class RunnerState : uint32_t { kStarting = 0, kLoading = 1, kIdle = 2, kBusy = 3 };

struct ProgressPage {
  static constexpr uint64_t kMagic = 0x31676f7270787861;  // "axxprog1"
  std::atomic<uint64_t> magic;
  std::atomic<RunnerState> state;
  std::atomic<uint32_t> reserved;
  std::atomic<int64_t> last_progress_ns;  // MonotonicNs() of the last device call that returned
  std::atomic<uint64_t> device_calls;     // since the runner's start
  std::atomic<uint32_t> layers_loaded;    // while loading: files on the card so far
  std::atomic<uint32_t> layers_total;
  std::atomic<uint64_t> needed_bytes;  // of the card's memory (CMM), for the load; 0: not known yet
};

// A shared mapping of the page. Movable, not copyable.
class Progress {
 public:
  static Result<Progress> Create(const std::filesystem::path& path);  // makes and zeroes the file
  static Result<Progress> Open(const std::filesystem::path& path);    // maps an existing one
  static Progress Private();  // anonymous memory: for programs without a supervisor

  Progress(Progress&& other) noexcept : page_(other.page_) { other.page_ = nullptr; }
  Progress& operator=(Progress&& other) noexcept;
  ~Progress();

  ProgressPage& page() { return *page_; }
  const ProgressPage& page() const { return *page_; }

 private:
  explicit Progress(ProgressPage* page) : page_(page) {}
  ProgressPage* page_ = nullptr;
};

}  // namespace axollama
