#include "sim/faults/fault.h"

#include <gtest/gtest.h>

#include <set>

namespace axsim::faults {
namespace {

axollama::Result<Fault> Parse(std::string_view text) {
  const auto object = axollama::json::ParseObject(text, "the test");
  return object ? ParseFault(*object) : axollama::Fail(object.error());
}

std::string ErrorOf(std::string_view text) {
  const auto fault = Parse(text);
  return fault ? "" : fault.error().message;
}

// The calls from 1 to 20 at which it fires, without its count.
std::set<uint64_t> CallsOf(std::string_view text) {
  const auto fault = Parse(text);
  EXPECT_TRUE(fault) << fault.error().message;
  std::set<uint64_t> calls;
  for (uint64_t call = 1; fault && call <= 20; ++call) {
    if (Matches(*fault, call, 0)) calls.insert(call);
  }
  return calls;
}

TEST(FaultTest, EveryKindHasANameThatIsRead) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kKinds; ++i) {
    const auto kind = static_cast<Kind>(i);
    names.insert(KindName(kind));
    const auto fault = Parse("{\"kind\":\"" + std::string(KindName(kind)) + "\"}");
    ASSERT_TRUE(fault) << fault.error().message;
    EXPECT_EQ(fault->kind, kind);
    EXPECT_EQ(fault->count, IsLasting(kind) ? 0u : 1u) << KindName(kind);
  }
  EXPECT_EQ(names.size(), kKinds);
}

TEST(FaultTest, WhatIsWrittenIsReadAgain) {
  for (const char* text :
       {R"({"kind":"execute_error","nth":5,"count":3,"code":"0x80300708"})",
        R"({"kind":"hang","after_ms":100,"count":1,"for_ms":10000})",
        R"({"kind":"slow","every":2,"count":0,"factor":2.5})",
        R"({"kind":"corrupt_read","probability":0.25,"seed":9007199254740992,"count":0})"}) {
    const auto fault = Parse(text);
    ASSERT_TRUE(fault) << fault.error().message;
    EXPECT_EQ(axollama::json::Write(ToJson(*fault)), text);
  }
}

TEST(FaultTest, ErrorsNameWhatIsWrong) {
  EXPECT_NE(ErrorOf(R"({})").find("execute_error"), std::string::npos);  // it lists the kinds
  EXPECT_NE(ErrorOf(R"({"kind":"flood"})").find("\"flood\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","nht":5})").find("\"nht\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","factor":2})").find("\"factor\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","":2})").find("unknown key"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","nth":0})").find("\"nth\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","nth":-1})").find("\"nth\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","every":"x"})").find("\"every\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","count":-1})").find("\"count\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","for_ms":-1})").find("\"for_ms\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","for_ms":1e300})").find("\"for_ms\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","probability":2})").find("probability"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"hang","seed":5})").find("\"seed\""), std::string::npos);
  EXPECT_TRUE(Parse(R"({"kind":"corrupt_read","seed":5})"));  // chooses the bytes, too
  EXPECT_NE(ErrorOf(R"({"kind":"slow","factor":0})").find("\"factor\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"execute_error","code":"0x"})").find("\"code\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"kind":"execute_error","code":"0x0"})").find("\"code\""),
            std::string::npos);
}

TEST(FaultTest, Triggers) {
  EXPECT_EQ(CallsOf(R"({"kind":"hang"})").size(), 20u);
  EXPECT_EQ(CallsOf(R"({"kind":"hang","nth":19})"), (std::set<uint64_t>{19, 20}));
  EXPECT_EQ(CallsOf(R"({"kind":"hang","every":8})"), (std::set<uint64_t>{8, 16}));
  EXPECT_EQ(CallsOf(R"({"kind":"hang","every":8,"nth":9})"), (std::set<uint64_t>{16}));
  EXPECT_TRUE(CallsOf(R"({"kind":"hang","probability":0})").empty());
  EXPECT_EQ(CallsOf(R"({"kind":"hang","probability":1})").size(), 20u);
  EXPECT_TRUE(CallsOf(R"({"kind":"hang","after_ms":5})").empty());
  const auto late = Parse(R"({"kind":"hang","after_ms":5})");
  EXPECT_FALSE(Matches(*late, 1, 4));
  EXPECT_TRUE(Matches(*late, 1, 5));
}

TEST(FaultTest, ProbabilityFollowsTheSeed) {
  const auto first = CallsOf(R"({"kind":"hang","probability":0.5,"seed":1})");
  EXPECT_EQ(first, CallsOf(R"({"kind":"hang","probability":0.5,"seed":1})"));
  EXPECT_NE(first, CallsOf(R"({"kind":"hang","probability":0.5,"seed":2})"));
  const auto fault = Parse(R"({"kind":"hang","probability":0.25,"seed":7})");
  int fired = 0;
  for (uint64_t call = 1; call <= 4000; ++call) fired += Matches(*fault, call, 0) ? 1 : 0;
  EXPECT_NEAR(fired, 1000, 100);
}

TEST(FaultTest, ForPeople) {
  EXPECT_EQ(Describe(*Parse(R"({"kind":"execute_error","nth":22})")),
            "execute_error, from the 22nd call, once");
  EXPECT_EQ(Describe(*Parse(R"({"kind":"hang","for_ms":50,"every":11,"after_ms":9})")),
            "hang for 50 ms, at every 11th call, after 9 ms");
  EXPECT_EQ(Describe(*Parse(R"({"kind":"slow","factor":1.5,"probability":0.5,"count":3})")),
            "slow, 1.5 times, at 50 % of the calls (seed 0), 3 times");
}

}  // namespace
}  // namespace axsim::faults
