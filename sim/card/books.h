// The card's books: who holds how much of its memory (CMM), across processes.
//
// One file per card in the state folder, mapped shared: `card-ID.v3.books` (with `card-ID.npu`
// beside it, the lock of the card's one NPU). Every holder of memory has a place in it: the
// generation of the card (counted up by a reboot) and its bytes. What is taken is always computed
// from the places, and each change is a single store, so the books are right whenever a process is
// killed. A living holder keeps an open-file-description lock on the byte with its place's number,
// which the kernel lets go when it dies: no pid is trusted. Changes are made under flock of the
// file. Owner: the process, one object per card. Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "base/result.h"
#include "sim/config/config.h"

namespace axsim::card {

// What an idle card uses for itself.
inline constexpr uint64_t kBaselineBytes = 18ull << 20;
// CMM is given out in pages.
inline constexpr uint64_t kPageBytes = 4096;
inline constexpr uint64_t PageRound(uint64_t bytes) {
  return (bytes + kPageBytes - 1) & ~(kPageBytes - 1);
}

class Books {
 public:
  static axollama::Result<std::unique_ptr<Books>> Open(const std::filesystem::path& state_folder,
                                                       const config::Card& card);
  ~Books();

  // Takes a place with nothing in it, in the present generation; a place already held is emptied.
  // False: every place is taken by holders that died (only a reboot helps).
  bool Join();
  // Gives everything back, and the place.
  void Leave();

  // False: the card is too full, or was rebooted since Join. Whole pages.
  bool Take(uint64_t bytes);
  void Give(uint64_t bytes);

  uint64_t generation() const;
  bool IsCurrent() const;  // no reboot since Join
  // Ends every hold on the card, the caller's included.
  void Reboot();

  uint64_t total_bytes() const { return total_bytes_; }
  uint64_t used_bytes();
  uint32_t holders();            // places with memory or a living holder
  std::vector<uint32_t> pids();  // of the living holders
  struct Holder {
    uint32_t pid = 0;
    uint64_t bytes = 0;
    bool alive = false;  // false: what it left behind
  };
  std::vector<Holder> Holders();
  // Frees what dead holders left behind; how much that was.
  uint64_t ForgetDead();

  // The NPU, which does one thing at a time: held from construction to destruction. The time in
  // between counts as load, or, where time is simulated, the span that is set.
  class NpuTurn {
   public:
    explicit NpuTurn(Books& books);
    ~NpuTurn();
    NpuTurn(const NpuTurn&) = delete;
    NpuTurn& operator=(const NpuTurn&) = delete;
    // When the executes of all processes so far end.
    int64_t free_at_ns() const;
    // When this one is executing; the NPU is taken until its end, which may be to come.
    void SetSpan(int64_t begin_ns, int64_t end_ns);

   private:
    Books& books_;
    std::lock_guard<std::mutex> in_process_;
    int64_t begin_ns_;
    int64_t end_ns_ = 0;  // 0: when it is destroyed
  };

  // A load into the card's memory, from construction to destruction.
  class LoadTurn {
   public:
    explicit LoadTurn(Books& books);
    ~LoadTurn();
    LoadTurn(const LoadTurn&) = delete;
    LoadTurn& operator=(const LoadTurn&) = delete;

   private:
    Books& books_;
    uint64_t join_ = 0;  // in which it began; 0: the card was lost before
  };
  bool IsExecuting();  // some living process
  bool IsLoading();    // the same
  bool DiedLoading();  // a process that is dead, in the present generation

  // Share of [now - window, now] in which the NPU was executing, 0 to 1, in steps of 0.5 s; the
  // window is at most 30 s. Times are MonotonicNs().
  double Load(int64_t now_ns, int64_t window_ns);
  void RecordExecute(int64_t begin_ns, int64_t end_ns);

 private:
  struct Page;
  class FileLock;

  Books(int books_fd, int npu_fd, Page* page, const config::Card& card);
  bool LockPlace(uint32_t place);  // false: a living holder has it
  void UnlockPlace(uint32_t place);
  bool IsAlive(uint32_t place);
  bool Counts(uint32_t place);  // in the present generation; frees it if its holder's death does
  uint64_t UsedLocked();
  template <typename Matches>
  bool AnyPlace(const Matches& matches);

  const int books_fd_;
  const int npu_fd_;
  Page* const page_;
  const uint64_t total_bytes_;
  const bool leak_on_kill_;
  std::mutex mutex_;      // the file lock does not tell this process's threads apart
  std::mutex npu_mutex_;  // nor does the NPU's
  std::atomic<int32_t> place_{-1};
  uint64_t joins_ = 0;  // so far; under mutex_
};

}  // namespace axsim::card
