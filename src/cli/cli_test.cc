// The pure parts of the command line; the commands themselves run in tests/e2e.
#include <gtest/gtest.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/run_request.h"

namespace axollama::cli {
namespace {

TEST(RunRequest, OptionsAreJsonWhereTheyCanBe) {
  RunOptions options;
  for (const char* setting : {"temperature=0.2", "seed=7", "stop=###", "stop=7", "x=hello"}) {
    ASSERT_TRUE(AddOption(setting, &options)) << setting;
  }
  options.keep_alive = "-1";
  options.system = "Be brief.";
  EXPECT_EQ(json::Write(GenerateBody("m", options, "hi")),
            R"({"model":"m","prompt":"hi","system":"Be brief.","options":{"temperature":0.2,)"
            R"("seed":7,"stop":["###","7"],"x":"hello"},"keep_alive":-1})");
  options.keep_alive = "5m";
  options.options.clear();
  EXPECT_EQ(json::Write(ChatBody("m", options, {})),
            R"({"model":"m","messages":[{"role":"system","content":"Be brief."}],)"
            R"("keep_alive":"5m"})");
  for (const char* setting : {"", "=1", "temperature"}) {
    EXPECT_EQ(AddOption(setting, &options).error().kind, ErrorKind::kInvalid) << setting;
  }
}

TEST(RunRequest, FormatsAndThinking) {
  RunOptions options;
  options.format = *ParseFormat(R"({"type":"object"})");
  options.think = *ParseThink("high");
  EXPECT_EQ(json::Write(GenerateBody("m", options, "hi")),
            R"({"model":"m","prompt":"hi","format":{"type":"object"},"think":"high"})");
  EXPECT_EQ(json::Write(*ParseFormat("json")), R"("json")");
  EXPECT_EQ(json::Write(*ParseThink("false")), "false");
  for (const char* text : {"", "xml", "[1]", "{"}) EXPECT_FALSE(ParseFormat(text)) << text;
  for (const char* text : {"", "yes", "1"}) EXPECT_FALSE(ParseThink(text)) << text;
}

TEST(RunRequest, NamesAreComparedAsOllamaDoes) {
  EXPECT_TRUE(SameModel("smollm2", "SmolLM2:latest"));
  EXPECT_FALSE(SameModel("smollm2", "smollm2:135m"));
}

TEST(RunRequest, SpeedsAreTokensOverSeconds) {
  const auto last = json::ParseObject(
      R"({"total_duration":2000000000,"load_duration":1500000,"prompt_eval_count":10,)"
      R"("prompt_eval_duration":500000000,"eval_count":30,"eval_duration":1500000000})",
      "last");
  ASSERT_TRUE(last);
  const std::string text = SpeedsText(*last);
  EXPECT_NE(text.find("total duration:       2s\n"), std::string::npos) << text;
  EXPECT_NE(text.find("load duration:        1.5ms\n"), std::string::npos) << text;
  EXPECT_NE(text.find("prompt eval rate:     20.00 tokens/s\n"), std::string::npos) << text;
  EXPECT_NE(text.find("eval rate:            20.00 tokens/s\n"), std::string::npos) << text;
  EXPECT_NE(SpeedsText({}).find("eval rate:            -\n"), std::string::npos);
}

TEST(Command, HumanSizesAndTimes) {
  EXPECT_EQ(HumanBytes(12), "12 B");
  EXPECT_EQ(HumanBytes(1'234'567), "1.2 MB");
  EXPECT_EQ(HumanBytes(134'000'000), "134 MB");
  EXPECT_EQ(HumanTime(-180), "3 minutes ago");
  EXPECT_EQ(HumanTime(60), "1 minute from now");
  EXPECT_EQ(HumanTime(int64_t{100} * 365 * 86400), "Forever");
  EXPECT_EQ(GoDuration(61'500'000'000), "1m1.5s");
}

TEST(Command, TimesAreReadBack) {
  const int64_t now = 1'795'780'000'123'456'789;
  EXPECT_EQ(ParseTime(FormatTime(now)), now);
  EXPECT_EQ(ParseTime("2026-11-27T13:46:40.5+02:00"), 1'795'780'000'500'000'000);
  EXPECT_EQ(ParseTime("yesterday"), 0);
}

}  // namespace
}  // namespace axollama::cli
