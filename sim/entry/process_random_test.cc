// Several processes on one card: random legal and illegal calls of each, some of them killed at
// some point. Every call returns what it should, the books say what the dead held, and a reboot
// gives it back.
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "sim/entry/fixture.h"
#include "sim/entry/helper/journal.h"

namespace axsim::entry {
namespace {

constexpr int kPlayers = 3;
constexpr uint64_t kSteps = 300;

// A running card_player, and what it notes down.
class Process {
 public:
  Process(const std::filesystem::path& folder, uint32_t seed, const char* end) {
    const auto path = folder / ("journal-" + std::to_string(seed));
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(Journal)) != 0) abort();
    void* mapped = mmap(nullptr, sizeof(Journal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) abort();
    close(fd);
    journal_ = static_cast<Journal*>(mapped);
    const std::string number = std::to_string(seed);
    const std::string steps = std::to_string(kSteps);
    const auto model = folder / "post.axmodel";
    pid_ = fork();
    if (pid_ < 0) abort();
    if (pid_ != 0) return;
    execl(CARD_PLAYER, "card_player", AXCL_RT_LIBRARY, number.c_str(), steps.c_str(), path.c_str(),
          model.c_str(), end, nullptr);
    _exit(127);
  }
  ~Process() {
    Kill();
    munmap(journal_, sizeof(Journal));
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool ended() {
    if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
    return pid_ < 0;
  }
  // Returns when it has made so many steps, or has ended.
  void WaitForSteps(uint64_t steps) {
    while (!ended() && journal_->steps.load() < steps) std::this_thread::yield();
  }
  // The exit code; -1: it was killed.
  int Wait() {
    if (pid_ > 0) waitpid(pid_, &status_, 0);
    pid_ = -1;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }
  // One that has ended already has no pid: kill would take -1 for everybody.
  void Kill() {
    if (ended()) return;
    kill(pid_, SIGKILL);
    Wait();
  }
  uint64_t low() const { return Sum(&Journal::Thread::low); }
  uint64_t high() const { return Sum(&Journal::Thread::high); }

 private:
  uint64_t Sum(std::atomic<uint64_t> Journal::Thread::* bound) const {
    uint64_t sum = 0;
    for (const auto& thread : journal_->threads) sum += (thread.*bound).load();
    return sum;
  }
  pid_t pid_ = -1;
  int status_ = 0;
  Journal* journal_ = nullptr;
};

class ProcessRandomTest : public EntryTest {
 protected:
  void SetUp() override {
    EntryTest::SetUp();
    setenv("AXSIM_THREADS", "1", 1);
    WritePostModel(folder_ / "post.axmodel", kHidden, 24);
    Open();
  }
  void Reboot() {
    ASSERT_EQ(AX(axclrtRebootDevice)(card_), AXCL_SUCC);
    ASSERT_EQ(AX(axclrtSetDevice)(card_), AXCL_SUCC);
  }
};

TEST_F(ProcessRandomTest, TheBooksHoldExactlyWhatTheDeadHeld) {
  const uint64_t free_kb = FreeKb();
  std::mt19937 random(1);
  for (uint32_t round = 0; round < 10 && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    // One frees all, one leaves without, one is killed.
    const char* const ends[kPlayers] = {"free", "leave", "free"};
    std::vector<std::unique_ptr<Process>> players;
    for (uint32_t i = 0; i < kPlayers; ++i) {
      players.push_back(std::make_unique<Process>(folder_, round * kPlayers + i, ends[i]));
    }
    players[2]->WaitForSteps(random() % (Journal::kThreads * kSteps / 2));
    players[2]->Kill();
    EXPECT_EQ(players[0]->Wait(), 0);
    EXPECT_EQ(players[1]->Wait(), 0);
    EXPECT_EQ(players[0]->high(), 0u);
    EXPECT_EQ(players[1]->low(), players[1]->high());
    const uint64_t held_bytes = (free_kb - FreeKb()) << 10;
    EXPECT_GE(held_bytes, players[1]->low() + players[2]->low());
    EXPECT_LE(held_bytes, players[1]->high() + players[2]->high());
    Reboot();
    EXPECT_EQ(FreeKb(), free_kb);
  }
}

TEST_F(ProcessRandomTest, ARebootTakesTheCardFromThemAll) {
  const uint64_t free_kb = FreeKb();
  std::mt19937 random(2);
  for (uint32_t round = 0; round < 10 && !HasFailure(); ++round) {
    SCOPED_TRACE(round);
    std::vector<std::unique_ptr<Process>> players;
    for (uint32_t i = 0; i < kPlayers; ++i) {
      players.push_back(std::make_unique<Process>(folder_, 100 + round * kPlayers + i, "lost"));
    }
    for (const auto& player : players) player->WaitForSteps(1 + random() % kSteps);
    Reboot();
    for (const auto& player : players) EXPECT_EQ(player->Wait(), 0);
    EXPECT_EQ(FreeKb(), free_kb);
  }
}

}  // namespace
}  // namespace axsim::entry
