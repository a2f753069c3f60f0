// Lines typed on a pseudo terminal, and the file that remembers them.
#include "cli/line_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <utility>

#include "base/file.h"
#include "cli/history_file.h"

namespace axollama::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kUp = "\x1b[A";

class LineReaderTest : public testing::Test {
 protected:
  LineReaderTest() {
    std::string name = (std::filesystem::temp_directory_path() / "axlinesXXXXXX").string();
    folder_ = mkdtemp(name.data());
    setenv("TERM", "xterm", 1);
    EXPECT_EQ(openpty(&person_, &terminal_, nullptr, nullptr, nullptr), 0);
    // What is shown is read away, so that the reader never waits for the terminal.
    screen_reader_ = std::thread([this] {
      char chunk[1024];
      for (ssize_t n; (n = read(person_, chunk, sizeof(chunk))) > 0;) {
        shown_ += static_cast<size_t>(n);
      }
    });
    Open();
  }

  ~LineReaderTest() override {
    reader_.reset();
    if (terminal_ >= 0) close(terminal_);
    screen_reader_.join();
    close(person_);
    std::filesystem::remove_all(folder_);
  }

  void Open() { reader_ = LineReader::Editing(terminal_, terminal_, history(), signals_); }
  std::filesystem::path history() const { return folder_ / "state" / "history"; }

  // Types when the reader reads: before, the terminal itself would edit what is typed.
  std::jthread Type(std::string keys, std::function<void()> then = [] {}) {
    return std::jthread([this, keys = std::move(keys), then = std::move(then)] {
      termios settings{};
      while (tcgetattr(terminal_, &settings) == 0 && (settings.c_lflag & ICANON) != 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      EXPECT_EQ(write(person_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
      then();
    });
  }

  // The line that these keys give, or how it ended otherwise.
  std::string Line(std::string keys) {
    std::string line;
    const std::jthread typist = Type(std::move(keys));
    const auto end = reader_->Read(">>> ", &line);
    if (!end) return "error: " + end.error().message;
    return *end == LineEnd::kLine ? line : *end == LineEnd::kEnd ? "(end)" : "(interrupted)";
  }

  Signals signals_;  // before any thread
  std::filesystem::path folder_;
  int person_ = -1, terminal_ = -1;
  std::atomic<size_t> shown_{0};  // bytes that came to the screen
  std::thread screen_reader_;
  std::unique_ptr<LineReader> reader_;
};

TEST_F(LineReaderTest, LinesAreEditedAndRemembered) {
  EXPECT_EQ(Line("hellp\x7fo\n"), "hello");
  EXPECT_EQ(Line("world\x01wide \n"), "wide world");  // Ctrl-A: to the beginning
  EXPECT_EQ(Line("天ä\x7fö\n"), "天ö");               // a character, not a byte
  EXPECT_EQ(Line("\n"), "");
  EXPECT_EQ(Line(std::string(kUp) + kUp + "!\n"), "wide world!");
  // In a later session too.
  Open();
  EXPECT_EQ(Line(std::string(kUp) + "\n"), "wide world!");
  struct stat status{};
  ASSERT_EQ(stat(history().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(stat(history().parent_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
}

TEST_F(LineReaderTest, WithoutHistoryNothingIsKept) {
  reader_->SetHistory(false);
  EXPECT_EQ(Line("secret\n"), "secret");
  EXPECT_EQ(Line(std::string(kUp) + "\n"), "");
  EXPECT_FALSE(std::filesystem::exists(history()));
}

TEST_F(LineReaderTest, ControlDEnds) { EXPECT_EQ(Line("\x04"), "(end)"); }

TEST_F(LineReaderTest, AnInterruptThrowsTheLineAway) {
  std::string line;
  {
    // All of it was taken, and shown again, before the interrupt.
    const std::jthread typist = Type("half a line", [this] {
      int waiting = 1;
      while (shown_.load() < std::strlen(">>> half a line") || waiting != 0) {
        ASSERT_EQ(ioctl(terminal_, FIONREAD, &waiting), 0);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      kill(getpid(), SIGINT);
    });
    EXPECT_EQ(reader_->Read(">>> ", &line).value(), LineEnd::kInterrupted);
  }
  signals_.Forget();
  EXPECT_EQ(Line("whole\n"), "whole");
}

TEST(HistoryFile, IsCutWhenItGrewLong) {
  std::string name = (std::filesystem::temp_directory_path() / "axhistoryXXXXXX").string();
  const std::filesystem::path folder = mkdtemp(name.data());
  HistoryFile file(folder / "history");
  EXPECT_TRUE(file.Read()->empty());
  ASSERT_TRUE(file.Add("one"));
  ASSERT_TRUE(file.Add(""));
  ASSERT_TRUE(file.Add("two"));
  EXPECT_THAT(*file.Read(), ElementsAre("one", "two"));
  std::string text;
  for (int i = 0; i < 2'500; ++i) text += "line " + std::to_string(i) + "\n";
  ASSERT_TRUE(WriteFileAtomically(folder / "history", text, 0600));
  const auto kept = file.Read();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->size(), 1'000u);
  EXPECT_EQ(kept->back(), "line 2499");
  EXPECT_THAT(*ReadFile(folder / "history"), testing::StartsWith("line 1500\n"));
  // A link could lead anywhere.
  std::filesystem::remove(folder / "history");
  std::filesystem::create_symlink(folder / "elsewhere", folder / "history");
  const Status added = file.Add("three");
  ASSERT_FALSE(added);
  EXPECT_THAT(added.error().message, HasSubstr("history"));
  EXPECT_FALSE(std::filesystem::exists(folder / "elsewhere"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace axollama::cli
