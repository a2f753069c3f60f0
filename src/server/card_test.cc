#include "server/card.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "server/test_folder.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;

// A warden in shell over files: `used` (MiB), `ids` (lines of "id uid"), and after a reboot
// `used.after` and `ids.after` in their place, if they are there. A file `silent` makes it fail.
constexpr const char* kWarden = R"(
want=
while [ $# -gt 0 ]; do
  if [ "$1" = --device-id ]; then want=$2; fi
  shift
done
while read question; do
  id=${question#*:}; id=${id%%,*}
  if [ -e $dir/silent ]; then
    printf '{"id":%s,"ok":false,"kind":"device","error":"heartbeat lost"}\n' $id
    continue
  fi
  case $question in
  *reboot*)
    echo reboot >> $dir/reboots
    if [ -e $dir/used.after ]; then cp $dir/used.after $dir/used; fi
    if [ -e $dir/ids.after ]; then cp $dir/ids.after $dir/ids; fi
    printf '{"id":%s,"ok":true}\n' $id ;;
  *)
    cards=; card=; uid=
    while read one its_uid; do
      cards=${cards:+$cards,}$one
      if [ -z "$card" ] && [ "${want:-$one}" = $one ]; then card=$one; uid=$its_uid; fi
    done < $dir/ids
    used=$(cat $dir/used)
    printf '{"id":%s,"ok":true,"backend":"sim","cards":[%s],"properties":{"id":%s,"uid":"%s",' \
      $id "$cards" ${card:-0} "$uid"
    printf '"cmm_total_bytes":%s,"cmm_free_bytes":%s}}\n' $((7000*1048576)) $(((7000-used)*1048576))
  esac
done
)";

class CardTest : public testing::Test {
 protected:
  CardTest() {
    signal(SIGPIPE, SIG_IGN);
    const auto script = folder_.path() / "warden";
    std::ofstream(script) << "#!/bin/sh\ndir=" << folder_.path().string() << kWarden;
    chmod(script.c_str(), 0700);
    Put("ids", "1 aa\n");
    Put("used", "18");
  }
  void Put(const char* name, const std::string& content) {
    std::ofstream(folder_.path() / name) << content;
  }
  Card::Options Options(RebootPolicy policy = RebootPolicy::kAuto) {
    Card::Options options;
    options.program = (folder_.path() / "warden").string();
    options.policy = policy;
    options.memory_limit = milliseconds(100);
    options.enumerate_limit = milliseconds(5'000);
    return options;
  }
  bool Rebooted() const { return std::filesystem::exists(folder_.path() / "reboots"); }
  void Load(Card& card, uint64_t runner, const char* used) {
    ASSERT_TRUE(card.Greet());
    ASSERT_TRUE(card.BeginLoad(runner));
    Put("used", used);
    card.EndLoad(runner);
  }

  TestFolder folder_;
};

TEST_F(CardTest, MemoryThatCameBackIsNothing) {
  Card card(Options());
  Load(card, 1, "318");
  Put("used", "30");  // within the margin
  EXPECT_EQ(card.AfterEnd(1, RunnerEnd::kBroken, false), CardAction::kNothing);
  EXPECT_EQ(card.state(), CardState::kOk);
}

TEST_F(CardTest, LostMemoryIsRebootedAway) {
  Card card(Options());
  Load(card, 1, "318");
  EXPECT_EQ(card.AfterEnd(1, RunnerEnd::kBroken, false), CardAction::kReboot);
  Put("used.after", "18");
  ASSERT_TRUE(card.Reboot("lost memory"));
  EXPECT_TRUE(Rebooted());
  EXPECT_EQ(card.state(), CardState::kOk);
  EXPECT_EQ(card.counters().leaks, 1u);
  EXPECT_EQ(card.counters().reboots, 1u);
}

TEST_F(CardTest, MemoryThatCameWhileARunnerEndedInOrderIsOthers) {
  Card card(Options());
  Load(card, 1, "318");
  EXPECT_EQ(card.AfterEnd(1, RunnerEnd::kInOrder, false), CardAction::kNothing);
  EXPECT_EQ(card.counters().leaks, 0u);
}

TEST_F(CardTest, IsNotRebootedUnderAnotherProgram) {
  Card card(Options());
  Load(card, 1, "318");
  Put("used", "18");
  EXPECT_EQ(card.AfterEnd(1, RunnerEnd::kInOrder, false), CardAction::kNothing);
  Put("used", "900");  // it came since
  EXPECT_EQ(card.Broken(false), CardAction::kTolerate);
  Card other(Options());
  Put("used", "18");
  ASSERT_TRUE(other.Greet());
  EXPECT_EQ(other.Broken(false), CardAction::kReboot);
}

TEST_F(CardTest, WaitsForTheLastStream) {
  Card card(Options());
  Load(card, 1, "318");
  EXPECT_EQ(card.AfterEnd(1, RunnerEnd::kBroken, true), CardAction::kRebootLater);
}

TEST_F(CardTest, ARebootThatDoesNotHelpQuarantines) {
  Card card(Options());
  Load(card, 1, "318");
  EXPECT_EQ(card.AfterEnd(1, RunnerEnd::kBroken, false), CardAction::kReboot);
  EXPECT_FALSE(card.Reboot("lost memory"));  // still 318
  EXPECT_EQ(card.state(), CardState::kQuarantined);
  EXPECT_NE(card.reason().find("power it off"), std::string::npos);
  EXPECT_EQ(card.Broken(false), CardAction::kQuarantine);
  card.Release();
  EXPECT_EQ(card.state(), CardState::kOk);
}

TEST_F(CardTest, FindsTheCardByItsUidAfterAReboot) {
  Put("ids", "1 aa\n5 bb\n");
  Card card(Options());
  Load(card, 1, "18");
  EXPECT_EQ(card.card_id(), 1);
  Put("ids.after", "1 bb\n6 aa\n");
  ASSERT_TRUE(card.Reboot("test"));
  EXPECT_EQ(card.card_id(), 6);
}

TEST_F(CardTest, SparesOtherProgramsMemory) {
  Put("used", "1000");
  Card card(Options());
  Load(card, 1, "1300");
  EXPECT_EQ(card.AfterEnd(1, RunnerEnd::kBroken, false), CardAction::kTolerate);
  EXPECT_EQ(card.state(), CardState::kOk);
  Card always(Options(RebootPolicy::kAlways));
  Put("used", "1000");
  Load(always, 1, "1300");
  EXPECT_EQ(always.AfterEnd(1, RunnerEnd::kBroken, false), CardAction::kReboot);
}

TEST_F(CardTest, NeverQuarantines) {
  Card card(Options(RebootPolicy::kNever));
  Load(card, 1, "318");
  EXPECT_EQ(card.AfterEnd(1, RunnerEnd::kBroken, false), CardAction::kQuarantine);
  EXPECT_NE(card.reason().find("AXOLLAMA_REBOOT=never"), std::string::npos);
  EXPECT_FALSE(Rebooted());
}

TEST_F(CardTest, AProcessThatCannotBeKilledQuarantines) {
  Card card(Options(RebootPolicy::kAlways));
  Load(card, 1, "318");
  EXPECT_EQ(card.AfterEnd(1, RunnerEnd::kUnkillable, false), CardAction::kQuarantine);
  EXPECT_NE(card.reason().find("could not be killed"), std::string::npos);
}

TEST_F(CardTest, ACardThatFailsToAnswerIsBroken) {
  Card card(Options());
  Load(card, 1, "318");
  Put("silent", "");
  EXPECT_EQ(card.AfterEnd(1, RunnerEnd::kBroken, false), CardAction::kReboot);
  const auto begun = card.BeginLoad(2);
  ASSERT_FALSE(begun);
  EXPECT_EQ(begun.error().kind, ErrorKind::kDevice);
}

}  // namespace
}  // namespace axollama::server
