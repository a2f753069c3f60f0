#include "api/runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/completion.h"
#include "base/json.h"

namespace axollama::api {
namespace {

using testing::HasSubstr;

TEST(Completion, RequestsCarryTheSampling) {
  CompletionRequest r;
  r.prompt = "hi";
  r.sampling.stop = {"x"};
  EXPECT_EQ(WriteCompletionRequest(r),
            R"({"prompt":"hi","stream":true,"cache_prompt":true,"n_predict":-1,)"
            R"("temperature":0.8,"top_k":40,"top_p":0.9,"min_p":0,"typical_p":1,)"
            R"("repeat_penalty":1,"repeat_last_n":64,"presence_penalty":0,)"
            R"("frequency_penalty":0,"seed":-1,"stop":["x"],"context_shift":false,)"
            R"("n_keep":0,"add_special":true,"parse_special":true})");
  r.context_tokens = 64;
  r.shift = true;
  r.keep_tokens = 4;
  r.preserved_tokens = {"[TOOL_CALLS]"};
  EXPECT_THAT(WriteCompletionRequest(r), HasSubstr(R"("n_ctx":64,"context_shift":true,"n_keep":4,)"
                                                   R"("preserved_tokens":["[TOOL_CALLS]"],)"));
  r.prompt = std::vector<int32_t>{1, 2};
  EXPECT_THAT(WriteCompletionRequest(r), HasSubstr(R"("prompt":[1,2])"));
}

TEST(Completion, RequestsCarryTheForm) {
  CompletionRequest r;
  r.prompt = "hi";
  r.json_schema = R"({"type":"object"})";
  r.grammar_after = "</think>";
  r.logit_bias = {{5, -100}};
  r.n_probs = 3;
  EXPECT_THAT(WriteCompletionRequest(r),
              HasSubstr(R"("json_schema":{"type":"object"},"grammar_after":"</think>",)"
                        R"("logit_bias":[[5,-100]],"n_probs":3,)"));
  r.json_schema = "";
  r.grammar = "%llguidance {}";
  EXPECT_THAT(WriteCompletionRequest(r), HasSubstr(R"("grammar":"%llguidance {}",)"));
}

TEST(Completion, LogprobsAreRead) {
  const auto event = ParseCompletionLine(
      R"(data: {"content":"a","tokens":[5],"completion_probabilities":[{"id":5,"token":"a",)"
      R"("bytes":[195],"logprob":-0.5,"top_logprobs":[{"id":6,"token":"b","bytes":[98],)"
      R"("logprob":-1}]}]})");
  ASSERT_TRUE(event) << event.error().message;
  const std::vector<TokenLogprob>& all = (*event)->logprobs;
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].token, "\xc3");
  EXPECT_EQ(all[0].logprob, -0.5);
  ASSERT_EQ(all[0].top.size(), 1u);
  EXPECT_EQ(all[0].top[0].first, "b");
  for (const char* bad : {"1", "[1]", "[{}]", R"([{"bytes":[256]}])", R"([{"bytes":[-1]}])"}) {
    const auto r = ParseCompletionLine(
        std::string(R"(data: {"content":"","completion_probabilities":)") + bad + "}");
    EXPECT_EQ(r.error().kind, ErrorKind::kInternal) << bad;
  }
}

TEST(Completion, ExtremeOptionsAreBroughtIntoRange) {
  CompletionRequest r;
  r.prompt = "";
  r.sampling.num_predict = std::numeric_limits<int64_t>::max();
  r.sampling.top_k = -5;
  r.sampling.temperature = -1;
  r.sampling.repeat_last_n = -7;
  r.sampling.seed = -5;
  const std::string text = WriteCompletionRequest(r);
  EXPECT_THAT(text, HasSubstr(R"("n_predict":2147483647,"temperature":0,"top_k":0)"));
  EXPECT_THAT(text, HasSubstr(R"("repeat_last_n":-1,)"));
  EXPECT_THAT(text, HasSubstr(R"("seed":4294967291)"));
  r.sampling.num_predict = -2;
  EXPECT_THAT(WriteCompletionRequest(r), HasSubstr(R"("n_predict":-1)"));
}

TEST(Completion, EventsAreRead) {
  const auto part = ParseCompletionLine(R"(data: {"content":"a","stop":false,"tokens":[5]})");
  ASSERT_TRUE(part) << part.error().message;
  EXPECT_EQ((*part)->content, "a");
  EXPECT_EQ((*part)->tokens, std::vector<int32_t>{5});
  EXPECT_FALSE((*part)->stop);
  const auto last = ParseCompletionLine(
      R"(data: {"content":"","stop":true,"stop_type":"limit","stopping_word":"","tokens":[],)"
      R"("tokens_predicted":3,"tokens_evaluated":9,"tokens_cached":11,"truncated":false,)"
      R"("timings":{"cache_n":4,"prompt_n":5,"prompt_ms":1.5,"predicted_n":3,"predicted_ms":2}})");
  ASSERT_TRUE(last);
  EXPECT_TRUE((*last)->stop);
  EXPECT_EQ((*last)->tokens_evaluated, 9);
  EXPECT_EQ((*last)->timings.cache_n, 4);
  EXPECT_EQ((*last)->timings.prompt_n, 5);
  EXPECT_EQ((*last)->timings.prompt_ms, 1.5);
  EXPECT_EQ((*last)->timings.predicted_n, 3);
  EXPECT_EQ(DoneReason((*last)->stop_type), "length");
  EXPECT_EQ(DoneReason("eos"), "stop");
  EXPECT_EQ(DoneReason("word"), "stop");
  EXPECT_EQ(*ParseCompletionLine(""), std::nullopt);
  EXPECT_EQ(*ParseCompletionLine(": ping"), std::nullopt);
}

TEST(Completion, ErrorsAndRubbishAreTold) {
  const auto error = ParseCompletionLine(
      R"(data: {"error":{"code":500,"message":"card gone","type":"server_error"}})");
  ASSERT_FALSE(error);
  EXPECT_EQ(error.error().message, "card gone");
  EXPECT_EQ(error.error().kind, ErrorKind::kInternal);
  for (const char* line : {"event: x", "data: {", "data: []", "data: {}", R"(data: {"content":1})",
                           R"(data: {"content":"a","tokens":["x"]})",
                           R"(data: {"content":"a","stop":true,"timings":3})"}) {
    const auto bad = ParseCompletionLine(line);
    ASSERT_FALSE(bad) << line;
    EXPECT_EQ(bad.error().kind, ErrorKind::kInternal) << line;
    EXPECT_THAT(bad.error().message, HasSubstr("unexpected answer of the model runner"));
  }
}

TEST(Runner, PropsAreRead) {
  const auto p = ParseProps(
      R"({"default_generation_settings":{"n_ctx":2047},"total_slots":1,"chat_template":"T",)"
      R"("model_path":"/m","axollama":{"backend":"sim","card_id":3,"card_uid":"fedcba9876543210",)"
      R"("library":"/l.so","n_vocab":49152,"chunk":128,"max_prompt":2046,"layers":30,)"
      R"("cmm_bytes":5000000000,"load_ms":12.5}})");
  ASSERT_TRUE(p) << p.error().message;
  EXPECT_EQ(p->context_tokens, 2047);
  EXPECT_EQ(p->backend, "sim");
  EXPECT_EQ(p->card_uid, 0xfedcba9876543210);
  EXPECT_EQ(p->cmm_bytes, 5'000'000'000u);
  EXPECT_EQ(p->load_ms, 12.5);
  for (const char* body :
       {"", "{}", R"({"default_generation_settings":{"n_ctx":"x"},"axollama":{}})",
        R"({"default_generation_settings":{},"axollama":{"card_uid":"xyz"}})"}) {
    const auto bad = ParseProps(body);
    ASSERT_FALSE(bad) << body;
    EXPECT_EQ(bad.error().kind, ErrorKind::kInternal) << body;
  }
}

TEST(Runner, TextsAndTokensGoBothWays) {
  EXPECT_EQ(WriteTokenizeRequest("a", true, false),
            R"({"content":"a","add_special":true,"parse_special":false})");
  EXPECT_EQ(*ParseTokens(R"({"tokens":[1,2]})"), (std::vector<int32_t>{1, 2}));
  EXPECT_FALSE(ParseTokens(R"({"tokens":[-1]})"));
  EXPECT_FALSE(ParseTokens("{}"));
  EXPECT_EQ(WriteDetokenizeRequest({1, 2}), R"({"tokens":[1,2]})");
  EXPECT_EQ(*ParseContent(R"({"content":"x"})"), "x");
  EXPECT_EQ(ParseContent(R"({"content":1})").error().kind, ErrorKind::kInternal);
  Message user, assistant, tool;
  user.role = "user";
  user.content = "hi";
  assistant.role = "assistant";
  assistant.thinking = "t";
  assistant.tool_calls = {{"call_1", 0, "f", R"({"b":1,"a":2})"}};
  tool.role = "tool";
  tool.content = "4";
  tool.tool_name = "f";
  tool.tool_call_id = "call_1";
  TemplateRequest request;
  request.messages = TemplateMessages({user, assistant, tool});
  EXPECT_EQ(WriteApplyTemplateRequest(request),
            R"({"messages":[{"role":"user","content":"hi"},)"
            R"({"role":"assistant","content":"","reasoning_content":"t","tool_calls":)"
            R"([{"type":"function","function":{"name":"f","arguments":{"b":1,"a":2}},)"
            R"("id":"call_1"}]},)"
            R"({"role":"tool","content":"4","name":"f","tool_call_id":"call_1"}]})");
  request.messages = {};
  request.tools_json = "[1]";
  request.enable_thinking = false;
  request.reasoning_effort = "low";
  EXPECT_EQ(WriteApplyTemplateRequest(request),
            R"({"messages":[],"tools":[1],"chat_template_kwargs":)"
            R"({"enable_thinking":false,"reasoning_effort":"low"}})");
  TemplateRequest go;
  go.go_template = "{{ .Prompt }}";
  EXPECT_EQ(WriteApplyTemplateRequest(go), R"({"messages":[],"go_template":"{{ .Prompt }}"})");
  go.prompt = "a";
  go.suffix = "b";
  EXPECT_THAT(WriteApplyTemplateRequest(go), HasSubstr(R"(,"prompt":"a","suffix":"b"})"));
  EXPECT_EQ(*ParsePrompt(R"({"prompt":"x"})"), "x");
  EXPECT_FALSE(ParsePrompt("[]"));
}

TEST(Runner, ErrorsKeepTheirMeaning) {
  const auto kind = [](const char* type) {
    return ParseRunnerError(
               500, std::string(R"({"error":{"code":1,"message":"m","type":")") + type + "\"}}")
        .kind;
  };
  EXPECT_EQ(kind("invalid_request_error"), ErrorKind::kInvalid);
  EXPECT_EQ(kind("unavailable_error"), ErrorKind::kUnavailable);
  EXPECT_EQ(kind("device_error"), ErrorKind::kDevice);
  EXPECT_EQ(kind("server_error"), ErrorKind::kInternal);
  const Error too_long = ParseRunnerError(
      400, R"({"error":{"code":400,"message":"m","type":"exceed_context_size_error",)"
           R"("n_prompt_tokens":3000,"n_ctx":2047}})");
  EXPECT_EQ(too_long.kind, ErrorKind::kTooLong);
  EXPECT_THAT(too_long.message, testing::AllOf(HasSubstr("3000"), HasSubstr("2047")));
  for (const char* body : {"", "x", "{}", R"({"error":3})"}) {
    EXPECT_EQ(ParseRunnerError(502, body).kind, ErrorKind::kInternal);
    EXPECT_THAT(ParseRunnerError(502, body).message, HasSubstr("502"));
  }
  const Error wordless = ParseRunnerError(500, R"({"error":{"message":"","type":"device_error"}})");
  EXPECT_EQ(wordless.kind, ErrorKind::kDevice);
  EXPECT_THAT(wordless.message, HasSubstr("500"));
}

}  // namespace
}  // namespace axollama::api
