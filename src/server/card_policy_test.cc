#include "server/card_policy.h"

#include <gtest/gtest.h>

namespace axollama::server {
namespace {

constexpr uint64_t kMib = 1 << 20;

TEST(RebootPolicy, ReadsTheVariable) {
  EXPECT_EQ(ParseRebootPolicy("").value(), RebootPolicy::kAuto);
  EXPECT_EQ(ParseRebootPolicy("always").value(), RebootPolicy::kAlways);
  EXPECT_EQ(ParseRebootPolicy("never").value(), RebootPolicy::kNever);
  EXPECT_EQ(ParseRebootPolicy("yes").error().message, "\"yes\" is none of auto, always and never");
}

TEST(Decide, LeavesAHealthyCardAlone) {
  for (const RebootPolicy policy :
       {RebootPolicy::kAuto, RebootPolicy::kAlways, RebootPolicy::kNever}) {
    EXPECT_EQ(Decide({.policy = policy}), CardAction::kNothing);
  }
}

TEST(Decide, RebootsForLostMemoryWhenNobodyAnswers) {
  EXPECT_EQ(Decide({.leaked = true}), CardAction::kReboot);
  EXPECT_EQ(Decide({.leaked = true, .others_answering = true}), CardAction::kRebootLater);
}

TEST(Decide, LeavesLostMemoryWhenOthersUseTheCard) {
  EXPECT_EQ(Decide({.leaked = true, .others_memory = true}), CardAction::kTolerate);
  EXPECT_EQ(Decide({.leaked = true, .others_memory = true, .policy = RebootPolicy::kAlways}),
            CardAction::kReboot);
  EXPECT_EQ(Decide({.broken = true, .others_memory = true}), CardAction::kTolerate);
}

TEST(Decide, NeverMeansQuarantine) {
  EXPECT_EQ(Decide({.leaked = true, .policy = RebootPolicy::kNever}), CardAction::kQuarantine);
  EXPECT_EQ(Decide({.broken = true, .policy = RebootPolicy::kNever}), CardAction::kQuarantine);
}

TEST(Decide, DoesNotRebootUnderALivingProcess) {
  EXPECT_EQ(Decide({.leaked = true, .unkillable = true, .policy = RebootPolicy::kAlways}),
            CardAction::kQuarantine);
}

TEST(Decide, DoesNotRebootAgainWhatDidNotHelp) {
  EXPECT_EQ(Decide({.broken = true, .reboot_did_not_help = true}), CardAction::kQuarantine);
}

TEST(Leaked, HasAMargin) {
  EXPECT_FALSE(Leaked(16 * kMib, 0));
  EXPECT_TRUE(Leaked(16 * kMib + 1, 0));
}

TEST(CardLedger, ExpectsWhatWasThereBefore) {
  CardLedger ledger;
  ledger.BeginLoad(1, 18 * kMib);
  ledger.Loaded(1, 318 * kMib);
  EXPECT_EQ(ledger.End(1), 18 * kMib);
  EXPECT_EQ(ledger.End(1), std::nullopt);
}

TEST(CardLedger, FollowsOurOwnRunners) {
  CardLedger ledger;
  ledger.BeginLoad(1, 100 * kMib);  // 100 of another program
  ledger.Loaded(1, 400 * kMib);
  ledger.BeginLoad(2, 400 * kMib);
  ledger.Loaded(2, 600 * kMib);
  ledger.BeginLoad(3, 600 * kMib);
  ledger.Loaded(3, 650 * kMib);
  // 2 ends well: the other program's 100 and the 300 and 50 of ours remain.
  EXPECT_EQ(ledger.End(2), 450 * kMib);
  EXPECT_EQ(ledger.End(1), 150 * kMib);
  EXPECT_EQ(ledger.End(3), 100 * kMib);
}

TEST(CardLedger, KnowsARunnerThatDiedWhileLoading) {
  CardLedger ledger;
  ledger.BeginLoad(1, 18 * kMib);
  ledger.Loaded(1, 118 * kMib);
  ledger.BeginLoad(2, 118 * kMib);
  EXPECT_EQ(ledger.End(2), 118 * kMib);
}

TEST(CardLedger, OthersMayComeAndGo) {
  CardLedger ledger;
  ledger.BeginLoad(1, 18 * kMib);
  ledger.Loaded(1, 118 * kMib);
  ledger.BeginLoad(2, 518 * kMib);  // another program took 400 meanwhile
  ledger.Loaded(2, 618 * kMib);
  EXPECT_EQ(ledger.End(1), 518 * kMib);
  ledger.NoteOthers(718 * kMib);  // 1 ended in order, so the 200 more are not its own
  EXPECT_EQ(ledger.OursBytes(), 100 * kMib);
  EXPECT_EQ(ledger.End(2), 618 * kMib);
}

TEST(CardLedger, ForgetsAtAReboot) {
  CardLedger ledger;
  ledger.BeginLoad(1, 18 * kMib);
  ledger.Clear();
  EXPECT_EQ(ledger.End(1), std::nullopt);
}

TEST(IsWhatWasLeft, MeansExactlyThat) {
  EXPECT_TRUE(IsWhatWasLeft(318 * kMib, 18 * kMib, 300 * kMib));
  EXPECT_TRUE(IsWhatWasLeft(310 * kMib, 18 * kMib, 300 * kMib));
  EXPECT_FALSE(IsWhatWasLeft(18 * kMib, 18 * kMib, 300 * kMib));
  EXPECT_FALSE(IsWhatWasLeft(400 * kMib, 18 * kMib, 300 * kMib)) << "another program's too";
  EXPECT_FALSE(IsWhatWasLeft(18 * kMib, 18 * kMib, 0));
}

}  // namespace
}  // namespace axollama::server
