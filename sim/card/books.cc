#include "sim/card/books.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "base/clock.h"
#include "sim/state/state_file.h"

namespace axsim::card {
namespace {

using axollama::Fail;
using axollama::Result;

// It and the file's name change with the layout: builds of two layouts do not meet.
constexpr uint64_t kMagic = 0x33736b6f6f627861;  // "axbooks3"
constexpr uint32_t kPlaces = 1024;
// Executes that others have begun end before that; anything later is no time of this machine's
// clock, which starts anew when it boots.
constexpr int64_t kMaxBusyNs = 60'000'000'000;
constexpr int64_t kSlotNs = 500'000'000;
constexpr int64_t kSlots = 64;  // 32 s

struct Place {
  std::atomic<uint64_t> generation;  // counts only while it is the card's
  std::atomic<uint64_t> bytes;
  std::atomic<uint32_t> leaks;              // 1: the memory stays taken when the holder dies
  std::atomic<uint32_t> pid;                // for people who look at the file
  std::atomic<int64_t> executing_since_ns;  // 0: not executing
  std::atomic<uint64_t> loads;              // under way
};

struct Slot {
  std::atomic<int64_t> number;  // time / kSlotNs
  std::atomic<int64_t> busy_ns;
};

}  // namespace

struct Books::Page : state::Head {
  std::atomic<int64_t> npu_busy_until_ns;
  Slot slots[kSlots];
  Place places[kPlaces];
};

// The file's lock, after the process's own.
class Books::FileLock {
 public:
  explicit FileLock(Books& books) : in_process_(books.mutex_), fd_(books.books_fd_) {
    state::LockFile(fd_);
  }
  ~FileLock() { flock(fd_, LOCK_UN); }

 private:
  std::lock_guard<std::mutex> in_process_;
  int fd_;
};

Result<std::unique_ptr<Books>> Books::Open(const std::filesystem::path& state_folder,
                                           const config::Card& card) {
  AX_ASSIGN_OR_RETURN(const int npu_fd,
                      state::OpenLockFile(state_folder / fmt::format("card-{}.npu", card.id)));
  const auto path = state_folder / fmt::format("card-{}.v3.books", card.id);
  const auto file = state::OpenStateFile(path, kMagic, sizeof(Page));
  if (!file) {
    close(npu_fd);
    return Fail(file.error());
  }
  return std::unique_ptr<Books>(new Books(file->fd, npu_fd, static_cast<Page*>(file->page), card));
}

Books::Books(int books_fd, int npu_fd, Page* page, const config::Card& card)
    : books_fd_(books_fd),
      npu_fd_(npu_fd),
      page_(page),
      total_bytes_(uint64_t{card.cmm_mib} << 20),
      leak_on_kill_(card.leak_on_kill) {}

// Memory still held stays in the books, as after any other end without freeing.
Books::~Books() {
  munmap(page_, sizeof(Page));
  close(npu_fd_);
  close(books_fd_);
}

namespace {

// Byte i of the file stands for place i; flock is another kind of lock and does not meet these.
struct flock PlaceLock(short type, uint32_t place) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = place;
  lock.l_len = 1;
  return lock;
}

}  // namespace

bool Books::LockPlace(uint32_t place) {
  struct flock lock = PlaceLock(F_WRLCK, place);
  return fcntl(books_fd_, F_OFD_SETLK, &lock) == 0;
}

void Books::UnlockPlace(uint32_t place) {
  struct flock lock = PlaceLock(F_UNLCK, place);
  fcntl(books_fd_, F_OFD_SETLK, &lock);
}

bool Books::IsAlive(uint32_t place) {
  if (static_cast<int32_t>(place) == place_.load()) return true;  // own locks do not conflict
  struct flock lock = PlaceLock(F_WRLCK, place);
  return fcntl(books_fd_, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool Books::Counts(uint32_t index) {
  Place& place = page_->places[index];
  if (place.generation.load() != page_->generation.load()) return false;
  if (IsAlive(index)) return true;
  if (place.leaks.load() != 0 && place.bytes.load() != 0) return true;
  place.generation.store(0);
  return false;
}

bool Books::Join() {
  FileLock lock(*this);
  int32_t mine = place_.load();
  for (uint32_t i = 0; mine < 0 && i < kPlaces; ++i) {
    if (!Counts(i) && LockPlace(i)) mine = static_cast<int32_t>(i);
  }
  if (mine < 0) return false;
  Place& place = page_->places[mine];
  place.generation.store(0);  // what follows counts only when it is complete
  place.bytes.store(0);
  place.executing_since_ns.store(0);
  place.loads.store(0);
  place.leaks.store(leak_on_kill_ ? 1 : 0);
  place.pid.store(static_cast<uint32_t>(getpid()));
  place.generation.store(page_->generation.load());
  place_.store(mine);
  ++joins_;
  return true;
}

void Books::Leave() {
  FileLock lock(*this);
  const int32_t mine = place_.exchange(-1);
  if (mine < 0) return;
  page_->places[mine].generation.store(0);
  UnlockPlace(static_cast<uint32_t>(mine));
}

uint64_t Books::UsedLocked() {
  uint64_t used = kBaselineBytes;
  for (uint32_t i = 0; i < kPlaces; ++i) {
    if (Counts(i)) used += page_->places[i].bytes.load();
  }
  return used;
}

bool Books::Take(uint64_t bytes) {
  if (bytes > total_bytes_) return false;
  FileLock lock(*this);
  if (!IsCurrent() || UsedLocked() + PageRound(bytes) > total_bytes_) return false;
  page_->places[place_.load()].bytes.fetch_add(PageRound(bytes));
  return true;
}

void Books::Give(uint64_t bytes) {
  FileLock lock(*this);
  if (!IsCurrent()) return;  // a reboot gave it back
  page_->places[place_.load()].bytes.fetch_sub(PageRound(bytes));
}

uint64_t Books::generation() const { return page_->generation.load(); }

bool Books::IsCurrent() const {
  const int32_t mine = place_.load();
  return mine >= 0 && page_->places[mine].generation.load() == generation();
}

void Books::Reboot() {
  FileLock lock(*this);
  page_->generation.fetch_add(1);
  page_->npu_busy_until_ns.store(0);
}

uint64_t Books::used_bytes() {
  FileLock lock(*this);
  return UsedLocked();
}

uint32_t Books::holders() {
  FileLock lock(*this);
  uint32_t count = 0;
  for (uint32_t i = 0; i < kPlaces; ++i) count += Counts(i) ? 1 : 0;
  return count;
}

std::vector<uint32_t> Books::pids() {
  FileLock lock(*this);
  std::vector<uint32_t> pids;
  for (uint32_t i = 0; i < kPlaces; ++i) {
    if (Counts(i) && IsAlive(i)) pids.push_back(page_->places[i].pid.load());
  }
  return pids;
}

std::vector<Books::Holder> Books::Holders() {
  FileLock lock(*this);
  std::vector<Holder> holders;
  for (uint32_t i = 0; i < kPlaces; ++i) {
    const Place& place = page_->places[i];
    if (Counts(i)) holders.push_back({place.pid.load(), place.bytes.load(), IsAlive(i)});
  }
  return holders;
}

uint64_t Books::ForgetDead() {
  FileLock lock(*this);
  uint64_t freed_bytes = 0;
  for (uint32_t i = 0; i < kPlaces; ++i) {
    if (!Counts(i) || IsAlive(i)) continue;
    freed_bytes += page_->places[i].bytes.load();
    page_->places[i].generation.store(0);
  }
  return freed_bytes;
}

template <typename Matches>
bool Books::AnyPlace(const Matches& matches) {
  const uint64_t present = generation();
  for (uint32_t i = 0; i < kPlaces; ++i) {
    const Place& place = page_->places[i];
    if (place.generation.load() == present && matches(place, i)) return true;
  }
  return false;
}

bool Books::IsExecuting() {
  return AnyPlace([this](const Place& place, uint32_t index) {
    return place.executing_since_ns.load() != 0 && IsAlive(index);
  });
}

bool Books::IsLoading() {
  return AnyPlace([this](const Place& place, uint32_t index) {
    return place.loads.load() != 0 && IsAlive(index);
  });
}

bool Books::DiedLoading() {
  return AnyPlace([this](const Place& place, uint32_t index) {
    return place.loads.load() != 0 && !IsAlive(index);
  });
}

Books::LoadTurn::LoadTurn(Books& books) : books_(books) {
  FileLock lock(books_);
  if (!books_.IsCurrent()) return;
  join_ = books_.joins_;
  books_.page_->places[books_.place_.load()].loads.fetch_add(1);
}

Books::LoadTurn::~LoadTurn() {
  FileLock lock(books_);
  // After a reset or a reboot the place may be another session's, which it was emptied for.
  if (join_ != books_.joins_ || !books_.IsCurrent()) return;
  books_.page_->places[books_.place_.load()].loads.fetch_sub(1);
}

Books::NpuTurn::NpuTurn(Books& books) : books_(books), in_process_(books.npu_mutex_) {
  state::LockFile(books_.npu_fd_);
  begin_ns_ = axollama::MonotonicNs();
  const int32_t mine = books_.place_.load();
  if (mine >= 0) books_.page_->places[mine].executing_since_ns.store(begin_ns_);
}

Books::NpuTurn::~NpuTurn() {
  const int32_t mine = books_.place_.load();
  if (mine >= 0) books_.page_->places[mine].executing_since_ns.store(0);
  books_.RecordExecute(begin_ns_, end_ns_ != 0 ? end_ns_ : axollama::MonotonicNs());
  flock(books_.npu_fd_, LOCK_UN);
}

int64_t Books::NpuTurn::free_at_ns() const {
  const int64_t until_ns = books_.page_->npu_busy_until_ns.load();
  return until_ns - axollama::MonotonicNs() < kMaxBusyNs ? until_ns : 0;
}

void Books::NpuTurn::SetSpan(int64_t begin_ns, int64_t end_ns) {
  begin_ns_ = begin_ns;
  end_ns_ = end_ns;
  books_.page_->npu_busy_until_ns.store(end_ns);
}

void Books::RecordExecute(int64_t begin_ns, int64_t end_ns) {
  begin_ns = std::max(begin_ns, end_ns - kSlotNs * kSlots);
  while (begin_ns < end_ns) {
    const int64_t number = begin_ns / kSlotNs;
    const int64_t until_ns = std::min(end_ns, (number + 1) * kSlotNs);
    Slot& slot = page_->slots[number % kSlots];
    if (slot.number.load() != number) {
      slot.busy_ns.store(0);
      slot.number.store(number);
    }
    slot.busy_ns.fetch_add(until_ns - begin_ns);
    begin_ns = until_ns;
  }
}

double Books::Load(int64_t now_ns, int64_t window_ns) {
  window_ns = std::clamp<int64_t>(window_ns, 2 * kSlotNs, kSlotNs * (kSlots - 4));
  const int64_t last = now_ns / kSlotNs;
  const int64_t first = (now_ns - window_ns) / kSlotNs + 1;  // whole slots, and the present one
  int64_t busy_ns = 0;
  for (const Slot& slot : page_->slots) {
    const int64_t number = slot.number.load();
    if (number >= first && number <= last) busy_ns += slot.busy_ns.load();
  }
  FileLock lock(*this);
  for (uint32_t i = 0; i < kPlaces; ++i) {  // what executes at this moment
    const int64_t since_ns = page_->places[i].executing_since_ns.load();
    if (since_ns == 0 || !Counts(i) || !IsAlive(i)) continue;
    busy_ns += std::max<int64_t>(0, now_ns - std::max(since_ns, first * kSlotNs));
  }
  return std::clamp(
      static_cast<double>(busy_ns) / static_cast<double>(now_ns - first * kSlotNs + 1), 0.0, 1.0);
}

}  // namespace axsim::card
