#include "sim/control/control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "sim/control/control_main.h"

namespace axsim::control {
namespace {

using testing::HasSubstr;
namespace json = axollama::json;

constexpr uint64_t kMiB = 1ull << 20;

class ControlTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/axsim-control-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    setenv("AXSIM_STATE", (folder_ / "state").c_str(), 1);
    std::filesystem::create_directory(folder_ / "state");
    unsetenv("AXSIM_PROFILE");
    Configure(R"({"cards":[{"id":1,"cmm_mib":100},
                           {"id":7,"faults":[{"kind":"slow"}]}]})");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Configure(const std::string& text) {
    const auto path = folder_ / "config.json";
    ASSERT_TRUE(axollama::WriteFileAtomically(path, text));
    setenv("AXSIM_CONFIG", path.c_str(), 1);
  }
  Machine Open() {
    auto machine = Machine::Open();
    if (!machine) abort();
    return std::move(*machine);
  }
  std::unique_ptr<card::Books> OpenBooks() {
    auto books = card::Books::Open(folder_ / "state", {.id = 1, .cmm_mib = 100});
    if (!books) abort();
    return std::move(*books);
  }
  // A process that takes memory of the first card and dies.
  void LeaveBehind(uint64_t bytes) {
    const pid_t pid = fork();
    if (pid == 0) {
      const auto books = OpenBooks();
      _exit(books->Join() && books->Take(bytes) ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_EQ(status, 0);
  }
  // The exit code of a command, with what it printed.
  int Run(int (*main)(int, char**), std::vector<std::string> words) {
    words.insert(words.begin(), "axollama-sim test");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = main(static_cast<int>(words.size()), arguments.data());
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
  }

  std::filesystem::path folder_;
  std::string out_;
  std::string err_;
};

TEST_F(ControlTest, FaultsReachTheCardTheyAreFor) {
  EXPECT_EQ(Run(FaultMain, {"execute_error", "--nth", "5", "--code", "0x80300708"}), 0) << err_;
  EXPECT_EQ(out_, "card 1: execute_error 0x80300708, from the 5th call, once\n");
  EXPECT_EQ(Run(FaultMain, {R"({"kind":"hang","for_ms":20})", "--card", "7"}), 0) << err_;
  EXPECT_EQ(out_, "card 7: hang for 20 ms, once\n");
  EXPECT_EQ(Run(FaultMain, {"corrupt_read", "--probability", "0.5", "--seed", "3"}), 0) << err_;
  ASSERT_EQ(Run(StatusMain, {"--json"}), 0) << err_;
  const auto status = json::Parse(out_);
  ASSERT_TRUE(status) << out_;
  EXPECT_EQ(json::Write(status->at("cards").at(0).at("faults")),
            R"([{"kind":"execute_error","nth":5,"count":1,"code":"0x80300708","configured":false,)"
            R"("calls":0,"fired":0},{"kind":"corrupt_read","probability":0.5,"seed":3,"count":0,)"
            R"("configured":false,"calls":0,"fired":0}])");
  EXPECT_EQ(json::Write(status->at("cards").at(1).at("faults")),
            R"([{"kind":"slow","count":0,"factor":2,"configured":true,"calls":0,"fired":0},)"
            R"({"kind":"hang","count":1,"for_ms":20,"configured":false,"calls":0,"fired":0}])");
}

TEST_F(ControlTest, WrongUsageIsOneLine) {
  const std::vector<std::vector<std::string>> wrong = {
      {},
      {"flood"},
      {"hang", "--nth", "0"},
      {"hang", "--nth", "x"},
      {"hang", "--factor", "2"},
      {"hang", "--speed", "2"},
      {"{"},
      {R"({"kind":"hang"})", "--nth", "5"},
      {"hang", "--card", "one"},
  };
  for (const auto& words : wrong) {
    EXPECT_EQ(Run(FaultMain, words), 2) << testing::PrintToString(words);
    EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << err_;
    EXPECT_THAT(err_, testing::StartsWith("error: "));
  }
  EXPECT_EQ(Run(FaultMain, {"hang", "--card", "2"}), 1);
  EXPECT_THAT(err_, HasSubstr("no card has the id 2: there is 1, 7"));
  EXPECT_EQ(Run(ResetMain, {"--card", "2"}), 1);
  Configure("{");
  for (const auto main : {StatusMain, ResetMain}) {
    EXPECT_EQ(Run(main, {}), 1);
    EXPECT_THAT(err_, HasSubstr("config.json"));
  }
  Configure(R"({"cards":[]})");
  EXPECT_EQ(Run(StatusMain, {}), 1);
  EXPECT_THAT(err_, HasSubstr("without cards"));
}

TEST_F(ControlTest, StatusShowsHoldersAndTheStateOfTheCard) {
  const auto books = OpenBooks();
  ASSERT_TRUE(books->Join() && books->Take(10 * kMiB));
  LeaveBehind(20 * kMiB);
  auto board = faults::Board::Open(folder_ / "state", 1, {});
  ASSERT_TRUE(board);
  EXPECT_THAT(Open().StatusText(), HasSubstr("card 1: ok, 48 of 100 MiB in use\n  process " +
                                             std::to_string(getpid()) + ": 10 MiB\n"));
  EXPECT_THAT(Open().StatusText(), HasSubstr(", which died: 20 MiB\n"));
  EXPECT_THAT(Open().StatusText(), HasSubstr("  fault slow, 2 times (configured): 0 calls, fired"));
  (*board)->NeedReboot();
  EXPECT_THAT(Open().StatusText(), HasSubstr("card 1: needs_reboot"));
  (*board)->LoseHeartbeat({});
  EXPECT_THAT(Open().StatusText(), HasSubstr("card 1: unreachable"));
  (*board)->Disconnect({});
  EXPECT_THAT(Open().StatusText(), HasSubstr("card 1: disconnected"));
  (*board)->SetVisibleId(4);
  const auto status = Open().Status();
  EXPECT_EQ(status.at("cards").at(0).at("id"), 4);
  EXPECT_EQ(status.at("cards").at(0).at("configured_id"), 1);
  EXPECT_EQ(status.at("cards").at(0).at("cmm_used_bytes"), 48 * kMiB);
  EXPECT_EQ(status.at("cards").at(0).at("holders").as_array().size(), 2u);
}

TEST_F(ControlTest, AResetFreesTheDeadAndKeepsTheLiving) {
  const auto books = OpenBooks();
  ASSERT_TRUE(books->Join() && books->Take(10 * kMiB));
  LeaveBehind(20 * kMiB);
  ASSERT_EQ(Run(FaultMain, {"disconnect"}), 0) << err_;
  ASSERT_EQ(Run(ResetMain, {"--card", "1"}), 0) << err_;
  EXPECT_EQ(out_,
            "card 1: reset, 20 MiB of dead processes freed, 1 process is still there with "
            "10 MiB\n");
  EXPECT_EQ(books->used_bytes(), card::kBaselineBytes + 10 * kMiB);
  EXPECT_TRUE(books->IsCurrent());
  EXPECT_TRUE(Open().Status().at("cards").at(0).at("faults").as_array().empty());
  books->Leave();
  ASSERT_EQ(Run(ResetMain, {}), 0) << err_;
  EXPECT_EQ(out_, "card 1: reset\ncard 7: reset\n");
}

}  // namespace
}  // namespace axsim::control
