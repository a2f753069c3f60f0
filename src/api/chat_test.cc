#include "api/chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/errors.h"
#include "base/http_status.h"

namespace axollama::api {
namespace {

using testing::HasSubstr;

constexpr int64_t kTime = 1'700'000'000'000'000'005;

Result<NativeRequest> ParseWith(std::string fields) {
  return ParseChat("{\"model\":\"m\"," + std::move(fields) + "}");
}

TEST(Chat, ReadsMessages) {
  const auto r = ParseChat(
      R"({"model":"m","messages":[{"role":"System","content":"s"},{"role":"user","content":"u",
          "images":[]},{"role":"assistant","content":"a","thinking":"t","tool_calls":[]},
          {"role":"tool","content":"42","tool_name":"f","tool_call_id":"call_1"},
          {"role":"user"}],"tools":[],"format":"","think":false,"stream":false})");
  ASSERT_TRUE(r) << r.error().message;
  const std::vector<Message>& messages = r->turn.messages;
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[2].thinking, "t");
  EXPECT_EQ(messages[3].tool_name, "f");
  EXPECT_EQ(messages[3].tool_call_id, "call_1");
  EXPECT_EQ(messages[4].content, "");
  EXPECT_FALSE(messages[1].has_images);
  EXPECT_FALSE(r->stream);
  EXPECT_EQ(r->turn.think, Think::kOff);
  EXPECT_EQ(r->turn.format.kind, Format::Kind::kNone);
  EXPECT_EQ(r->turn.tools_json, "");
  EXPECT_FALSE(r->turn.plain);
  EXPECT_FALSE(r->refused);
}

TEST(Chat, ReadsToolsAndCalls) {
  const auto r = ParseWith(
      R"("messages":[{"role":"assistant","content":"","tool_calls":[
          {"id":"call_a","function":{"index":1,"name":"f","arguments":{"z":1,"a":{"b":[2]}}}},
          {"function":{"name":"g"}}]},{"role":"user","images":["aGk="]}],
         "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}])");
  ASSERT_TRUE(r) << r.error().message;
  const std::vector<ToolCall>& calls = r->turn.messages[0].tool_calls;
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].id, "call_a");
  EXPECT_EQ(calls[0].index, 1);
  EXPECT_EQ(calls[0].name, "f");
  EXPECT_EQ(calls[0].arguments_json, R"({"z":1,"a":{"b":[2]}})");
  EXPECT_EQ(calls[1].id, "");
  EXPECT_EQ(calls[1].arguments_json, "{}");
  EXPECT_TRUE(r->turn.messages[1].has_images);
  EXPECT_EQ(r->turn.tools_json,
            R"([{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}])");
}

TEST(Chat, ReadsTheOtherFields) {
  const auto r = ParseWith(
      R"("format":{"type":"object","a":1},"think":"max","logprobs":true,"top_logprobs":3,
         "truncate":false,"shift":false,"_debug_render_only":true,"keep_alive":"-1m")");
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->turn.format.kind, Format::Kind::kSchema);
  EXPECT_EQ(r->turn.format.schema_json, R"({"type":"object","a":1})");
  EXPECT_EQ(r->turn.think, Think::kMax);
  EXPECT_TRUE(r->turn.logprobs);
  EXPECT_EQ(r->turn.top_logprobs, 3);
  EXPECT_FALSE(r->turn.truncate);
  EXPECT_FALSE(r->turn.shift);
  EXPECT_TRUE(r->render_only);
  EXPECT_GT(*r->turn.keep_alive_ns, 0);
  EXPECT_EQ(ParseWith(R"("format":"json")")->turn.format.kind, Format::Kind::kJson);
  EXPECT_EQ(ParseWith(R"("think":true)")->turn.think, Think::kOn);
  EXPECT_EQ(ParseWith(R"("think":null)")->turn.think, Think::kUnset);
}

TEST(Chat, NoMessagesLoadOrUnload) {
  EXPECT_TRUE(ParseChat(R"({"model":"m"})")->idle());
  EXPECT_FALSE(ParseChat(R"({"model":"m"})")->unload());
  EXPECT_TRUE(ParseChat(R"({"model":"m","messages":[]})")->idle());
  EXPECT_TRUE(ParseChat(R"({"model":"m","messages":null,"keep_alive":"0s"})")->unload());
  EXPECT_FALSE(ParseWith(R"("messages":[{"role":"user"}],"keep_alive":0)")->idle());
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
      {R"("messages":[{"role":"user","tool_calls":[3]}])", "messages[0].tool_calls[0]"},
      {R"("messages":[{"role":"user","tool_calls":[{}]}])",
       "messages[0].tool_calls[0].function\" must be an object"},
      {R"("messages":[{"role":"user","tool_calls":[{"function":{"arguments":"{}"}}]}])",
       "messages[0].tool_calls[0].function.arguments\" must be an object"},
      {R"("messages":[{"role":"user","content":"a","images":"x"}])", "messages[0].images"},
      {R"("tools":"x")", "\"tools\" must be an array"},
      {R"("tools":["x"])", "\"tools[0]\" must be an object with a \"function\""},
      {R"("tools":[{"type":"function"}])", "\"tools[0]\""},
      {R"("tools":[{"function":{}}])", "\"tools[0].function.name\" is missing"},
      {R"("tools":[{"function":{"name":"f","parameters":[]}}])", "tools[0].function.parameters"},
      {R"("stream":1)", "\"stream\""},
      {R"("options":7)", "\"options\" must be an object"},
      {R"("_debug_render_only":7)", "\"_debug_render_only\""},
  };
  for (const auto& c : kCases) {
    const auto r = ParseWith(c.fields);
    ASSERT_FALSE(r) << c.fields;
    EXPECT_THAT(r.error().message, HasSubstr(c.part));
    EXPECT_EQ(HttpStatus(r.error().kind), 400);
  }
  EXPECT_EQ(ParseChat("{}").error().message, "model is required");
  EXPECT_EQ(ParseChat("").error().message, "missing request body");
}

TEST(Chat, WhatComesAfterTheModelIsKeptForLater) {
  const struct {
    const char* fields;
    const char* part;
  } kCases[] = {
      {R"("options":{"stop":7})", "option \"stop\" must be of type array"},
      {R"("format":"xml")", R"(invalid format: "\"xml\""; expected "json" or a valid JSON Schema)"},
      {R"("format":[],"options":{"seed":"x"})", "option \"seed\" must be of type integer"},
  };
  for (const auto& c : kCases) {
    const auto r = ParseWith(c.fields);
    ASSERT_TRUE(r) << r.error().message;
    ASSERT_TRUE(r->refused) << c.fields;
    EXPECT_THAT(r->refused->message, HasSubstr(c.part));
    EXPECT_EQ(r->refused->kind, ErrorKind::kInvalid);
  }
}

TEST(Chat, AnswersHaveOllamasFieldsInOllamasOrder) {
  Piece piece;
  piece.content = "x";
  EXPECT_EQ(WriteChatPiece("m", kTime, piece),
            R"({"model":"m","created_at":"2023-11-14T22:13:20.000000005Z",)"
            R"("message":{"role":"assistant","content":"x"},"done":false})");
  Finish finish;
  finish.done_reason = "stop";
  finish.total_ns = 1;
  finish.prompt_tokens = {1, 2, 3};
  finish.prompt_ns = 4;
  finish.eval_tokens = 5;
  finish.eval_ns = 6;
  EXPECT_EQ(WriteChatFinal("m", kTime, {}, finish),
            R"({"model":"m","created_at":"2023-11-14T22:13:20.000000005Z",)"
            R"("message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",)"
            R"("total_duration":1,"prompt_eval_count":3,"prompt_eval_duration":4,)"
            R"("eval_count":5,"eval_duration":6})");
  EXPECT_THAT(WriteChatLoaded("m", kTime, "unload"),
              HasSubstr(R"("message":{"role":"assistant","content":""},"done":true,)"
                        R"("done_reason":"unload"})"));
  EXPECT_THAT(WriteChatRendered("m", kTime, "p"),
              HasSubstr(R"("content":""},"done":false,"_debug_info":{"rendered_template":"p"}})"));
}

TEST(Chat, PiecesCarryThinkingCallsAndLogprobs) {
  Piece piece;
  piece.thinking = "hm";
  piece.calls.push_back({"call_12345678", 0, "f", R"({"b":1,"a":2})"});
  piece.logprobs.push_back({"\xc3", -0.5, {{"\xc3", -0.5}, {"a", -1.5}}});
  EXPECT_THAT(
      WriteChatPiece("m", kTime, piece),
      HasSubstr(R"("message":{"role":"assistant","content":"","thinking":"hm","tool_calls":)"
                R"([{"id":"call_12345678","function":{"index":0,"name":"f",)"
                R"("arguments":{"b":1,"a":2}}}]},"done":false,)"
                "\"logprobs\":[{\"token\":\"\xef\xbf\xbd\",\"logprob\":-0.5,\"bytes\":[195],"
                "\"top_logprobs\":[{\"token\":\"\xef\xbf\xbd\",\"logprob\":-0.5,\"bytes\":[195]},"
                R"({"token":"a","logprob":-1.5,"bytes":[97]}]}]})"));
}

}  // namespace
}  // namespace axollama::api
