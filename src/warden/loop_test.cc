#include "warden/loop.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace axollama::warden {
namespace {

struct Pipe {
  Pipe() { EXPECT_EQ(::pipe(ends), 0); }
  ~Pipe() {
    CloseRead();
    CloseWrite();
  }
  int read() const { return ends[0]; }
  int write() const { return ends[1]; }
  void CloseRead() { Close(&ends[0]); }
  void CloseWrite() { Close(&ends[1]); }
  void Write(const std::string& text) {
    EXPECT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  static void Close(int* fd) {
    if (*fd >= 0) ::close(*fd);
    *fd = -1;
  }
  int ends[2];
};

// Hangs in Read until it is let go; Reboot answers at once.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool entered = false;
  bool open = false;

  void Pass() {
    std::unique_lock lock(mutex);
    entered = true;
    changed.notify_all();
    changed.wait(lock, [&] { return open; });
  }
  void AwaitEntered() {
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(30), [&] { return entered; }));
  }
  void Open() {
    std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

class HangingCard final : public CardAccess {
 public:
  explicit HangingCard(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  Result<Reading> Read() override {
    gate_->Pass();
    return Fail(ErrorKind::kDevice, "late");
  }
  Status Reboot() override { return {}; }

 private:
  const std::shared_ptr<Gate> gate_;
};

class Loop : public testing::Test {
 protected:
  LoopOptions Options() { return {in.read(), out.write(), life.read()}; }
  std::unique_ptr<CardAccess> Card() { return std::make_unique<HangingCard>(gate); }
  std::string ReadLine() {
    std::string line;
    char c = 0;
    pollfd wait{out.read(), POLLIN, 0};
    while (::poll(&wait, 1, 30'000) > 0 && ::read(out.read(), &c, 1) == 1 && c != '\n') line += c;
    return line;
  }
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  Pipe in, out, life;
};

TEST_F(Loop, AnswersInOrderAndEndsWithItsInput) {
  in.Write("{\"id\":1,\"op\":\"reboot\"}\nrubbish\n\n{\"id\":2,\"op\":\"reboot\"}\n");
  in.CloseWrite();
  RunLoop(Card(), Options());
  EXPECT_EQ(ReadLine(), "{\"id\":1,\"ok\":true}");
  EXPECT_NE(ReadLine().find("\"ok\":false"), std::string::npos);
  EXPECT_EQ(ReadLine(), "{\"id\":2,\"ok\":true}");
}

TEST_F(Loop, LongLinesAreRefusedAndSkipped) {
  std::thread loop([&] { RunLoop(Card(), Options()); });
  in.Write("{\"id\":1,\"op\":\"" + std::string(50'000, 'x'));
  in.Write(std::string(50'000, 'x') + "\"}\n{\"id\":2,\"op\":\"reboot\"}\n");
  EXPECT_NE(ReadLine().find("64 KiB"), std::string::npos);
  EXPECT_EQ(ReadLine(), "{\"id\":2,\"ok\":true}");
  in.CloseWrite();
  loop.join();
}

TEST_F(Loop, TheEndOfTheLifelineEndsItEvenWhenTheLibraryHangs) {
  std::thread loop([&] { RunLoop(Card(), Options()); });
  in.Write("{\"id\":1,\"op\":\"properties\"}\n");
  gate->AwaitEntered();
  life.CloseWrite();
  loop.join();
  gate->Open();
  EXPECT_NE(ReadLine().find("late"), std::string::npos);  // the thread left behind is done
}

TEST_F(Loop, TheEndOfItsInputWaitsForAHangingLibraryOnlySoLong) {
  LoopOptions options = Options();
  options.grace = std::chrono::milliseconds(20);
  in.Write("{\"id\":1,\"op\":\"properties\"}\n");
  in.CloseWrite();
  RunLoop(Card(), options);
  gate->Open();
  EXPECT_NE(ReadLine().find("late"), std::string::npos);
}

TEST_F(Loop, AnInputThatIsNotThereIsAnEnd) {
  LoopOptions options = Options();
  options.in_fd = 1'000'000;
  options.lifeline_fd = -1;
  RunLoop(Card(), options);
}

}  // namespace
}  // namespace axollama::warden
