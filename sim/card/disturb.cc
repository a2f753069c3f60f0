#include "sim/card/disturb.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "base/clock.h"

namespace axsim::card {
namespace {

using faults::Board;
using faults::Kind;

constexpr int64_t kForEver = std::numeric_limits<int64_t>::max();
// A corrupted copy has one wrong byte in so many.
constexpr size_t kCorruptStride = 256;

// Until the time has come, or the session or its stream is over, or faults were given or cleared:
// whoever ends those waits for the work that runs, exit() too.
void WaitUntil(const Session& session, const WorkQueue& queue, int64_t until_ns) {
  constexpr auto kStep = std::chrono::milliseconds(5);
  const uint64_t generation = session.faults->Generation();
  for (;;) {
    const int64_t left_ns = until_ns - axollama::MonotonicNs();
    if (left_ns <= 0 || !session.IsUsable() || queue.stopping()) return;
    if (session.faults->Generation() != generation) return;
    std::this_thread::sleep_for(
        std::min<std::chrono::nanoseconds>(kStep, std::chrono::nanoseconds(left_ns)));
  }
}

void TakeAway(Board& board, Books& books, const std::optional<Board::Firing>& gone,
              const std::optional<Board::Firing>& deaf) {
  if (gone) board.Disconnect(gone->fault.for_ms);
  if (deaf) board.LoseHeartbeat(deaf->fault.for_ms);
  // Whatever the card did ended with the connection.
  if (gone || deaf) books.Reboot();
}

bool IsWedged(const Session& session) {
  return session.needs_reset.load(std::memory_order_relaxed) || session.faults->NeedsReboot();
}

}  // namespace

void DisturbCall(Session& session) {
  Board& board = *session.faults;
  TakeAway(board, *session.books, board.Fire(Kind::kDisconnect), board.Fire(Kind::kHeartbeatLoss));
}

void DisturbIdle(Board& board, Books& books) {
  TakeAway(board, books, board.FireUncounted(Kind::kDisconnect),
           board.FireUncounted(Kind::kHeartbeatLoss));
}

axclError DisturbLoad(Session& session) {
  if (IsWedged(session)) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  return DisturbLoadEnd(session);
}

// Both sides say what they do before they look at the other: of two that overlap, one sees it.
axclError DisturbLoadEnd(Session& session) {
  Board& board = *session.faults;
  if (!board.Armed(Kind::kLoadWedges)) return AXCL_SUCC;
  if (!session.books->IsExecuting() && !session.books->DiedLoading()) return AXCL_SUCC;
  if (!board.Fire(Kind::kLoadWedges)) return AXCL_SUCC;
  board.NeedReboot();
  return AXCL_ERR_ENGINE_EXECUTE_FAIL;
}

axclError DisturbExecute(Session& session, const WorkQueue& queue) {
  Board& board = *session.faults;
  if (IsWedged(session)) return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  if (board.Armed(Kind::kLoadWedges) &&
      (session.books->IsLoading() || session.books->DiedLoading()) &&
      board.Fire(Kind::kLoadWedges)) {
    board.NeedReboot();
    return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  }
  if (board.Fire(Kind::kNeedsReboot)) {
    board.NeedReboot();
    return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  }
  if (board.Fire(Kind::kNeedsReset)) {
    session.needs_reset.store(true);
    return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  }
  if (const auto error = board.Fire(Kind::kExecuteError)) {
    return error->fault.code.value_or(AXCL_ERR_ENGINE_EXECUTE_FAIL);
  }
  if (const auto hang = board.Fire(Kind::kHang)) {
    const auto for_ms = hang->fault.for_ms;
    WaitUntil(
        session, queue,
        for_ms ? axollama::MonotonicNs() + static_cast<int64_t>(*for_ms) * 1'000'000 : kForEver);
    return AXCL_ERR_ENGINE_EXECUTE_FAIL;
  }
  return AXCL_SUCC;
}

double SlowFactor(const Session& session) {
  const auto slow = session.faults->Fire(Kind::kSlow);
  return slow ? slow->fault.factor : 1;
}

void Linger(const Session& session, const WorkQueue& queue, int64_t begin_ns, double factor) {
  const auto taken_ns = static_cast<double>(axollama::MonotonicNs() - begin_ns);
  WaitUntil(session, queue, begin_ns + static_cast<int64_t>(taken_ns * factor));
}

void DisturbRead(const Session& session, std::span<std::byte> host) {
  const auto corrupt = session.faults->Fire(Kind::kCorruptRead);
  if (!corrupt || host.empty()) return;
  for (size_t begin = 0; begin < host.size(); begin += kCorruptStride) {
    const size_t length = std::min(kCorruptStride, host.size() - begin);
    const uint64_t random = faults::Mix(faults::Mix(corrupt->fault.seed, corrupt->number), begin);
    host[begin + random % length] ^= std::byte{0xff};
  }
}

}  // namespace axsim::card
