#include "api/chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/errors.h"
#include "base/http_status.h"

namespace axollama::api {
namespace {

using testing::HasSubstr;

constexpr int64_t kTime = 1'700'000'000'000'000'005;

TEST(Chat, ReadsMessages) {
  const auto r = ParseChat(
      R"({"model":"m","messages":[{"role":"System","content":"s"},{"role":"user","content":"u",
          "images":[]},{"role":"assistant","content":"a","thinking":"t","tool_calls":[]},
          {"role":"tool","content":"42","tool_name":"f","tool_call_id":"call_1"},
          {"role":"user"}],"tools":[],"format":"","think":false,"stream":false})");
  ASSERT_TRUE(r) << r.error().message;
  ASSERT_EQ(r->messages.size(), 5u);
  EXPECT_EQ(r->messages[0].role, "system");
  EXPECT_EQ(r->messages[2].thinking, "t");
  EXPECT_EQ(r->messages[3].tool_name, "f");
  EXPECT_EQ(r->messages[4].content, "");
  EXPECT_FALSE(r->stream);
}

TEST(Chat, NoMessagesLoadOrUnload) {
  EXPECT_TRUE(ParseChat(R"({"model":"m"})")->load_only());
  EXPECT_TRUE(ParseChat(R"({"model":"m","messages":[]})")->load_only());
  EXPECT_TRUE(ParseChat(R"({"model":"m","messages":null,"keep_alive":"0s"})")->unload());
}

TEST(Chat, BadRequestsAreNamed) {
  const struct {
    const char* fields;
    const char* part;
  } kCases[] = {
      {R"("messages":{})", "\"messages\" must be an array"},
      {R"("messages":["x"])", "\"messages[0]\" must be an object"},
      {R"("messages":[{"role":"user","content":[{"type":"text"}]}])",
       "\"messages[0].content\" must be a string"},
      {R"("messages":[{"role":"user","content":"a"},{"role":7}])",
       "\"messages[1].role\" must be a string"},
      {R"("messages":[{"role":"robot","content":"a"}])", "\"messages[0].role\" must be system"},
      {R"("messages":[{"content":"a"}])", "\"messages[0].role\""},
      {R"("messages":[{"role":"user","content":"a","tool_calls":3}])", "messages[0].tool_calls"},
      {R"("messages":[{"role":"user","content":"a","images":"x"}])", "messages[0].images"},
      {R"("tools":"x")", "\"tools\" must be an array"},
      {R"("stream":1)", "\"stream\""},
      {R"("options":{"stop":7})", "option \"stop\" must be of type array"},
  };
  for (const auto& c : kCases) {
    const auto r = ParseChat(std::string("{\"model\":\"m\",") + c.fields + "}");
    ASSERT_FALSE(r) << c.fields;
    EXPECT_THAT(r.error().message, HasSubstr(c.part));
    EXPECT_EQ(HttpStatus(r.error().kind), 400);
  }
  EXPECT_EQ(ParseChat("{}").error().message, "model is required");
  EXPECT_EQ(ParseChat("").error().message, "missing request body");
}

TEST(Chat, WhatIsNotThereYetIsRefused) {
  const struct {
    const char* fields;
    const char* part;
  } kCases[] = {
      {R"("messages":[{"role":"user","content":"a","images":["aGk="]}])",
       "registry.ollama.ai/library/m:latest does not support vision"},
      {R"("messages":[{"role":"assistant","tool_calls":[{}]}])",
       "registry.ollama.ai/library/m:latest does not support tools"},
      {R"("tools":[{"type":"function"}])",
       "registry.ollama.ai/library/m:latest does not support tools"},
      {R"("format":"json")", "\"format\" is not supported yet"},
      {R"("think":"high")", "\"m\" does not support thinking"},
      {R"("logprobs":true)", "\"logprobs\" is not supported yet"},
  };
  for (const auto& c : kCases) {
    const auto r = ParseChat(std::string("{\"model\":\"m\",") + c.fields + "}");
    ASSERT_TRUE(r) << r.error().message;
    ASSERT_TRUE(r->refused) << c.fields;
    EXPECT_THAT(r->refused->message, HasSubstr(c.part));
    EXPECT_EQ(r->refused->kind, ErrorKind::kInvalid);
  }
  EXPECT_FALSE(ParseChat(R"({"model":"m","messages":[{"role":"user","content":"a"}]})")->refused);
}

TEST(Chat, AnswersHaveOllamasFieldsInOllamasOrder) {
  EXPECT_EQ(WriteChatChunk("m", kTime, "x"),
            R"({"model":"m","created_at":"2023-11-14T22:13:20.000000005Z",)"
            R"("message":{"role":"assistant","content":"x"},"done":false})");
  EXPECT_EQ(WriteChatFinal("m", kTime, "", "stop", {1, 0, 3, 4, 5, 6}),
            R"({"model":"m","created_at":"2023-11-14T22:13:20.000000005Z",)"
            R"("message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",)"
            R"("total_duration":1,"prompt_eval_count":3,"prompt_eval_duration":4,)"
            R"("eval_count":5,"eval_duration":6})");
  EXPECT_THAT(WriteChatLoaded("m", kTime, "unload"),
              HasSubstr(R"("message":{"role":"assistant","content":""},"done":true,)"
                        R"("done_reason":"unload"})"));
}

}  // namespace
}  // namespace axollama::api
