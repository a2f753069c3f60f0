#include "sim/faults/board.h"

#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "sim/state/state_file.h"

namespace axsim::faults {
namespace {

using axollama::ErrorKind;
using axollama::Fail;
using axollama::MonotonicNs;
using axollama::Result;
using axollama::Status;
namespace json = axollama::json;

constexpr uint64_t kMagic = 0x31746c7561667861;  // "axfault1"
// The longest text that ToJson makes is below 250 bytes.
constexpr size_t kTextBytes = 480;
constexpr int64_t kForEver = std::numeric_limits<int64_t>::max();
constexpr uint64_t kAtRunTime = 1;  // as an origin

int64_t Deadline(std::optional<uint64_t> for_ms) {
  return for_ms ? MonotonicNs() + static_cast<int64_t>(*for_ms) * 1'000'000 : kForEver;
}

// Nothing: not written by us.
std::optional<Fault> ReadText(const char* text) {
  const auto object = json::ParseObject({text, strnlen(text, kTextBytes)}, "a fault");
  if (!object) return std::nullopt;
  const auto fault = ParseFault(*object);
  return fault ? std::optional(*fault) : std::nullopt;
}

uint64_t HashOf(std::string_view text) {
  uint64_t hash = text.size();
  for (const char c : text) hash = Mix(hash, static_cast<unsigned char>(c));
  return hash;
}

}  // namespace

struct Board::Slot {
  std::atomic<uint64_t> origin;  // 0: empty
  std::atomic<uint64_t> calls;
  std::atomic<uint64_t> fired;
  std::atomic<int64_t> since_ns;  // when the card was given it
  char text[kTextBytes];          // JSON, ends with a zero; under the file's lock
};

struct Board::Page : state::Head {
  std::atomic<int64_t> gone_until_ns;  // 0: it is there
  std::atomic<int64_t> deaf_until_ns;  // 0: it answers
  std::atomic<uint32_t> needs_reboot;
  std::atomic<int32_t> visible_id;  // 0: the first one
  Slot slots[kMostFaults];
};

class Board::FileLock {
 public:
  explicit FileLock(Board& board) : in_process_(board.mutex_), fd_(board.fd_) {
    state::LockFile(fd_);
  }
  ~FileLock() { flock(fd_, LOCK_UN); }

 private:
  std::lock_guard<std::mutex> in_process_;
  int fd_;
};

Result<std::unique_ptr<Board>> Board::Open(const std::filesystem::path& state_folder,
                                           int32_t card_id, std::vector<Fault> configured) {
  const auto path = state_folder / fmt::format("card-{}.v1.faults", card_id);
  AX_ASSIGN_OR_RETURN(const state::StateFile file,
                      state::OpenStateFile(path, kMagic, sizeof(Page)));
  auto board = std::unique_ptr<Board>(
      new Board(file.fd, static_cast<Page*>(file.page), card_id, std::move(configured)));
  board->Refresh();
  return board;
}

Board::Board(int fd, Page* page, int32_t card_id, std::vector<Fault> configured)
    : fd_(fd), page_(page), card_id_(card_id) {
  std::vector<uint64_t> hashes;
  for (Fault& fault : configured) {
    const uint64_t hash = HashOf(json::Write(ToJson(fault)));
    const auto equals = std::count(hashes.begin(), hashes.end(), hash);
    hashes.push_back(hash);
    // Neither empty nor kAtRunTime.
    configured_.push_back({std::move(fault), Mix(hash, static_cast<uint64_t>(equals)) | 2});
  }
}

Board::~Board() {
  munmap(page_, sizeof(Page));
  close(fd_);
}

// An empty slot, else one of a fault given at run time that is used up.
Board::Slot* Board::FindSlot() {
  Slot* used_up = nullptr;
  for (Slot& slot : page_->slots) {
    const uint64_t origin = slot.origin.load();
    if (origin == 0) return &slot;
    if (origin != kAtRunTime || used_up != nullptr) continue;
    const auto fault = ReadText(slot.text);
    if (!fault || (fault->count != 0 && slot.fired.load() >= fault->count)) used_up = &slot;
  }
  return used_up;
}

Status Board::AddLocked(const Fault& fault, uint64_t origin) {
  if (Slot* const slot = FindSlot()) {
    const std::string text = json::Write(ToJson(fault));
    slot->origin.store(0);
    std::memcpy(slot->text, text.c_str(), text.size() + 1);
    slot->calls.store(0);
    slot->fired.store(0);
    slot->since_ns.store(MonotonicNs());
    slot->origin.store(origin);
    page_->generation.fetch_add(1);
    return {};
  }
  return Fail(ErrorKind::kConflict, fmt::format("card {} has {} faults already: `axollama sim "
                                                "reset` forgets them",
                                                card_id_, kMostFaults));
}

Status Board::Add(const Fault& fault) {
  FileLock lock(*this);
  return AddLocked(fault, kAtRunTime);
}

void Board::Reset() {
  FileLock lock(*this);
  for (Slot& slot : page_->slots) slot.origin.store(0);
  Heal();
  page_->visible_id.store(0);
  page_->generation.fetch_add(1);
}

// Takes over what the page says, and gives the card what only the configuration knows.
void Board::Refresh() {
  FileLock lock(*this);
  for (const Configured& configured : configured_) {
    const bool known = std::any_of(
        std::begin(page_->slots), std::end(page_->slots),
        [&configured](const Slot& slot) { return slot.origin.load() == configured.origin; });
    if (known) continue;
    if (const Status added = AddLocked(configured.fault, configured.origin); !added) {
      axollama::log::Error("axsim", "a configured fault has no effect: {}", added.error().message);
    }
  }
  const uint64_t generation = page_->generation.load();
  uint32_t kinds = 0;
  armed_.clear();
  for (Slot& slot : page_->slots) {
    const uint64_t origin = slot.origin.load();
    const bool ours =
        std::any_of(configured_.begin(), configured_.end(),
                    [origin](const Configured& configured) { return configured.origin == origin; });
    if (origin != kAtRunTime && !ours) continue;
    const auto fault = ReadText(slot.text);
    if (!fault) continue;
    armed_.push_back({*fault, &slot});
    kinds |= 1u << static_cast<unsigned>(fault->kind);
  }
  kinds_.store(kinds);
  seen_generation_.store(generation);
}

uint64_t Board::Generation() const { return page_->generation.load(std::memory_order_relaxed); }

std::optional<Board::Firing> Board::FireSlow(Kind kind, bool counts) {
  const std::lock_guard lock(mutex_);
  std::optional<Firing> firing;
  const int64_t now_ns = MonotonicNs();
  for (const Armament& armament : armed_) {
    const Fault& fault = armament.fault;
    if (fault.kind != kind) continue;
    Slot& slot = *armament.slot;
    if (!counts && (fault.nth != 0 || fault.every != 0 || fault.probability)) continue;
    // Every fault of the kind counts the call, whichever fires.
    const uint64_t call = counts ? slot.calls.fetch_add(1) + 1 : 0;
    const int64_t elapsed_ns = std::max<int64_t>(0, now_ns - slot.since_ns.load());
    if (firing || !Matches(fault, call, static_cast<uint64_t>(elapsed_ns) / 1'000'000)) continue;
    uint64_t fired = slot.fired.load();
    while (fault.count == 0 || fired < fault.count) {
      if (!slot.fired.compare_exchange_weak(fired, fired + 1)) continue;
      firing = Firing{fault, fired + 1};
      break;
    }
  }
  return firing;
}

void Board::Disconnect(std::optional<uint64_t> for_ms) {
  page_->gone_until_ns.store(Deadline(for_ms));
}

bool Board::IsGone() const {
  const int64_t until_ns = page_->gone_until_ns.load(std::memory_order_relaxed);
  return until_ns != 0 && MonotonicNs() < until_ns;
}

void Board::LoseHeartbeat(std::optional<uint64_t> for_ms) {
  page_->deaf_until_ns.store(Deadline(for_ms));
}

bool Board::IsDeaf() const {
  const int64_t until_ns = page_->deaf_until_ns.load(std::memory_order_relaxed);
  return until_ns != 0 && MonotonicNs() < until_ns;
}

void Board::NeedReboot() { page_->needs_reboot.store(1); }

bool Board::NeedsReboot() const { return page_->needs_reboot.load(std::memory_order_relaxed) != 0; }

void Board::Heal() {
  page_->gone_until_ns.store(0);
  page_->deaf_until_ns.store(0);
  page_->needs_reboot.store(0);
}

int32_t Board::visible_id() const {
  const int32_t id = page_->visible_id.load(std::memory_order_relaxed);
  return id >= 1 && id <= 255 ? id : card_id_;
}

void Board::SetVisibleId(int32_t id) { page_->visible_id.store(id); }

std::vector<Board::Entry> Board::List() {
  FileLock lock(*this);
  std::vector<Entry> entries;
  for (const Slot& slot : page_->slots) {
    const uint64_t origin = slot.origin.load();
    if (origin == 0) continue;
    const auto fault = ReadText(slot.text);
    if (!fault) continue;
    entries.push_back({*fault, origin != kAtRunTime, slot.calls.load(), slot.fired.load()});
  }
  return entries;
}

}  // namespace axsim::faults
