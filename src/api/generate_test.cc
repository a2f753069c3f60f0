#include "api/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/errors.h"
#include "base/http_status.h"

namespace axollama::api {
namespace {

using testing::HasSubstr;

// 2023-11-14T22:13:20.000000005Z
constexpr int64_t kTime = 1'700'000'000'000'000'005;

TEST(Generate, ReadsEveryField) {
  const auto r = ParseGenerate(
      R"({"model":"m:t","prompt":"hi","system":"s","context":[1,2],"stream":false,
          "keep_alive":"1m","options":{"seed":7},"template":"{{ .Prompt }}","suffix":"post",
          "format":"","images":[],"think":false,"truncate":true,"shift":false,"logprobs":false,
          "top_logprobs":0,"something":[1]})");
  ASSERT_TRUE(r) << r.error().message;
  const Turn& turn = r->turn;
  ASSERT_TRUE(turn.plain);
  EXPECT_EQ(turn.model, "m:t");
  EXPECT_EQ(turn.plain->prompt, "hi");
  EXPECT_EQ(turn.plain->system, "s");
  EXPECT_EQ(turn.plain->suffix, "post");
  EXPECT_EQ(turn.plain->context, (std::vector<int32_t>{1, 2}));
  EXPECT_FALSE(turn.plain->go_template);
  EXPECT_FALSE(turn.plain->raw);
  EXPECT_FALSE(turn.plain->has_images);
  EXPECT_FALSE(r->stream);
  EXPECT_FALSE(turn.shift);
  EXPECT_EQ(turn.keep_alive_ns, 60'000'000'000);
  EXPECT_EQ(turn.options.seed, 7);
  EXPECT_FALSE(r->idle());
  EXPECT_FALSE(r->refused);
  const auto other = ParseGenerate(R"({"template":"{{.Prompt}}","images":["aGk="],"raw":true})");
  EXPECT_EQ(other->turn.plain->go_template, "{{.Prompt}}");
  EXPECT_TRUE(other->turn.plain->has_images);
}

TEST(Generate, DefaultsAreOllamas) {
  const auto r = ParseGenerate(" {\"format\":null,\"think\":null,\"images\":null} ");
  ASSERT_TRUE(r);
  EXPECT_EQ(r->turn.model, "");
  EXPECT_TRUE(r->stream);
  EXPECT_TRUE(r->turn.truncate);
  EXPECT_TRUE(r->turn.shift);
  EXPECT_FALSE(r->turn.keep_alive_ns);
  EXPECT_TRUE(r->idle());
  EXPECT_FALSE(r->unload());
  EXPECT_TRUE(ParseGenerate(R"({"keep_alive":0})")->unload());
  EXPECT_FALSE(ParseGenerate(R"({"keep_alive":0,"prompt":"x"})")->unload());
}

TEST(Generate, BadRequestsAreNamed) {
  const struct {
    const char* body;
    const char* part;  // of the message
  } kCases[] = {
      {"", "missing request body"},
      {" \r\n", "missing request body"},
      {"{", "invalid JSON"},
      {"{} x", "invalid JSON"},
      {"{\"prompt\":\"\xff\"}", "invalid JSON"},
      {"[]", "must be a JSON object"},
      {R"({"model":1})", "\"model\""},
      {R"({"prompt":["x"]})", "\"prompt\""},
      {R"({"system":1})", "\"system\""},
      {R"({"template":1})", "\"template\""},
      {R"({"suffix":{}})", "\"suffix\""},
      {R"({"context":"x"})", "\"context\""},
      {R"({"context":[1.5]})", "\"context\""},
      {R"({"context":[-1]})", "\"context\""},
      {R"({"context":[2147483648]})", "\"context\""},
      {R"({"stream":"no"})", "\"stream\""},
      {R"({"raw":1})", "\"raw\""},
      {R"({"keep_alive":[]})", "\"keep_alive\""},
      {R"({"options":3})", "\"options\""},
      {R"({"truncate":"x"})", "\"truncate\""},
      {R"({"shift":1})", "\"shift\""},
      {R"({"images":"x"})", "\"images\""},
      {R"({"logprobs":1})", "\"logprobs\""},
      {R"({"top_logprobs":21})", "top_logprobs must be between 0 and 20"},
      {R"({"top_logprobs":-1})", "top_logprobs must be between 0 and 20"},
      {R"({"top_logprobs":"x"})", "\"top_logprobs\""},
      {R"({"think":1})", "\"think\""},
      {R"({"think":"hard"})",
       "invalid think value: \"hard\" (must be \"high\", \"medium\", "
       "\"low\", \"max\", true, or false)"},
  };
  for (const auto& c : kCases) {
    const auto r = ParseGenerate(c.body);
    ASSERT_FALSE(r) << c.body;
    EXPECT_THAT(r.error().message, HasSubstr(c.part)) << c.body;
    EXPECT_EQ(HttpStatus(r.error().kind), 400) << c.body;
  }
}

TEST(Generate, WhatComesAfterTheModelIsKeptForLater) {
  const struct {
    const char* field;
    const char* part;
  } kCases[] = {
      {R"("format":3)", "invalid format: \"3\"; expected"},
      {R"("options":{"seed":"x"})", "option \"seed\" must be of type integer"},
      {R"("raw":true,"system":"s")", "raw mode does not support template, system, or context"},
      {R"("raw":true,"context":[1])", "raw mode does not support template, system, or context"},
      {R"("raw":true,"template":"t","format":3)",
       "raw mode does not support template, system, or context"},
  };
  for (const auto& c : kCases) {
    const auto r = ParseGenerate(std::string("{\"model\":\"m\",") + c.field + "}");
    ASSERT_TRUE(r) << r.error().message;
    ASSERT_TRUE(r->refused) << c.field;
    EXPECT_THAT(r->refused->message, HasSubstr(c.part));
    EXPECT_EQ(r->refused->kind, ErrorKind::kInvalid);
  }
  // A field that cannot be read is an error whatever is wrong beside it.
  EXPECT_FALSE(ParseGenerate(R"({"format":3,"think":1})"));
}

TEST(Generate, AnswersHaveOllamasFieldsInOllamasOrder) {
  Piece piece;
  piece.content = "a\"b";
  EXPECT_EQ(WriteGeneratePiece("m", kTime, piece),
            R"({"model":"m","created_at":"2023-11-14T22:13:20.000000005Z","response":"a\"b",)"
            R"("done":false})");
  Finish finish;
  finish.done_reason = "length";
  finish.total_ns = 10;
  finish.load_ns = 2;
  finish.prompt_tokens = {1, 2, 3};
  finish.prompt_ns = 4;
  finish.eval_tokens = 5;
  finish.eval_ns = 6;
  EXPECT_EQ(WriteGenerateFinal("m", kTime, {}, finish, {1, 2}),
            R"({"model":"m","created_at":"2023-11-14T22:13:20.000000005Z","response":"",)"
            R"("done":true,"done_reason":"length","context":[1,2],"total_duration":10,)"
            R"("load_duration":2,"prompt_eval_count":3,"prompt_eval_duration":4,)"
            R"("eval_count":5,"eval_duration":6})");
  piece.thinking = "hm";
  piece.logprobs.push_back({"a", -1, {}});
  EXPECT_THAT(WriteGenerateFinal("m", kTime, piece, finish, {}),
              testing::AllOf(HasSubstr(R"("response":"a\"b","thinking":"hm","done":true,)"),
                             HasSubstr(R"("eval_duration":6,"logprobs":[{"token":"a",)"
                                       R"("logprob":-1,"bytes":[97]}]})")));
  EXPECT_EQ(WriteGenerateLoaded("m", kTime, "load"),
            R"({"model":"m","created_at":"2023-11-14T22:13:20.000000005Z","response":"",)"
            R"("done":true,"done_reason":"load"})");
  EXPECT_EQ(WriteGenerateRendered("m", kTime, "p"),
            R"({"model":"m","created_at":"2023-11-14T22:13:20.000000005Z","response":"",)"
            R"("done":false,"_debug_info":{"rendered_template":"p"}})");
}

TEST(Errors, HaveOllamasWordsAndStatus) {
  EXPECT_EQ(WriteError("a \"b\""), R"({"error":"a \"b\""})");
  EXPECT_EQ(ModelNotFound("x").message, "model 'x' not found");
  EXPECT_EQ(HttpStatus(ModelNotFound("x").kind), 404);
  const Error too_long = PromptTooLong(3000, 2048);
  EXPECT_EQ(HttpStatus(too_long.kind), 400);
  EXPECT_THAT(too_long.message,
              HasSubstr("the prompt is longer than the context length currently available to the "
                        "model; shorten the prompt, adjust the context length in settings, or use "
                        "a model with a longer context length"));
  EXPECT_THAT(too_long.message, testing::AllOf(HasSubstr("3000"), HasSubstr("2048")));
  EXPECT_EQ(HttpStatus(ErrorKind::kCancelled), 499);
  EXPECT_EQ(HttpStatus(ErrorKind::kBusy), 503);
  EXPECT_EQ(HttpStatus(ErrorKind::kConflict), 409);
  EXPECT_EQ(HttpStatus(ErrorKind::kDevice), 500);
  EXPECT_EQ(FullModelName("me/m"), "registry.ollama.ai/me/m:latest");
  EXPECT_EQ(FullModelName("host:5000/me/m"), "host:5000/me/m:latest");
  EXPECT_EQ(FullModelName("m:t"), "registry.ollama.ai/library/m:t");
}

}  // namespace
}  // namespace axollama::api
