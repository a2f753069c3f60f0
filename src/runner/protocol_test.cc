#include "runner/protocol.h"

#include <gtest/gtest.h>

#include <limits>

namespace axollama::runner {
namespace {

TEST(ProtocolTest, CompletionDefaults) {
  const Result<CompletionRequest> request = ReadCompletion(R"({"prompt":"hi"})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->text, "hi");
  EXPECT_FALSE(request->stream);
  EXPECT_TRUE(request->encode.add_special);
  EXPECT_TRUE(request->encode.parse_special);
  EXPECT_TRUE(request->generate.reuse_prefix);
  EXPECT_FALSE(request->generate.ignore_eos);
  EXPECT_EQ(request->generate.max_tokens, -1);
  EXPECT_EQ(request->generate.sampling.seed, -1);
  EXPECT_EQ(request->generate.sampling.repeat_last_n, 64);
}

TEST(ProtocolTest, EveryFieldIsRead) {
  const Result<CompletionRequest> request = ReadCompletion(R"({
      "prompt":[1,2,3],"stream":true,"cache_prompt":false,"n_predict":7,"temperature":0.5,
      "top_k":3,"top_p":0.25,"min_p":0.125,"typical_p":0.5,"repeat_penalty":1.5,
      "repeat_last_n":-1,"presence_penalty":-0.5,"frequency_penalty":0.75,"seed":4294967295,
      "stop":["a",""],"add_special":false,"parse_special":false,"ignore_eos":true,
      "n_keep":4,"context_shift":true,"n_ctx":99,"preserved_tokens":["<|a|>"],"grammar":null,
      "something":{"else":[]},"logit_bias":[[5,-1.5],[6,false]],
      "n_probs":3,"regex":"a+","grammar_after":"</think>"})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_FALSE(request->text);
  const engine::Request& generate = request->generate;
  EXPECT_EQ(generate.tokens, (std::vector<int32_t>{1, 2, 3}));
  EXPECT_TRUE(request->stream);
  EXPECT_FALSE(generate.reuse_prefix);
  EXPECT_EQ(generate.max_tokens, 7);
  EXPECT_EQ(generate.sampling.temperature, 0.5f);
  EXPECT_EQ(generate.sampling.top_k, 3);
  EXPECT_EQ(generate.sampling.top_p, 0.25f);
  EXPECT_EQ(generate.sampling.typical_p, 0.5f);
  EXPECT_EQ(generate.sampling.min_p, 0.125f);
  EXPECT_EQ(generate.sampling.repeat_penalty, 1.5f);
  EXPECT_EQ(generate.sampling.repeat_last_n, -1);
  EXPECT_EQ(generate.sampling.presence_penalty, -0.5f);
  EXPECT_EQ(generate.sampling.frequency_penalty, 0.75f);
  EXPECT_EQ(generate.sampling.seed, 4294967295);
  EXPECT_EQ(generate.stop, (std::vector<std::string>{"a", ""}));
  EXPECT_FALSE(request->encode.add_special);
  EXPECT_FALSE(request->encode.parse_special);
  EXPECT_TRUE(generate.ignore_eos);
  EXPECT_TRUE(generate.shift);
  EXPECT_EQ(generate.keep_tokens, 4);
  EXPECT_EQ(generate.context_tokens, 99u);
  EXPECT_EQ(request->preserved_tokens, std::vector<std::string>{"<|a|>"});
  const float never = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(generate.logit_bias, (std::vector<std::pair<int32_t, float>>{{5, -1.5f}, {6, never}}));
  EXPECT_EQ(generate.logprobs, 3u);
  ASSERT_TRUE(request->grammar);
  EXPECT_EQ(request->grammar->kind, text::GrammarKind::kRegex);
  EXPECT_EQ(request->grammar->text, "a+");
  EXPECT_EQ(generate.grammar_after, "</think>");
}

TEST(ProtocolTest, GrammarsOfEachKind) {
  const auto grammar = [](std::string_view field) {
    const auto request = ReadCompletion(R"({"prompt":"x",)" + std::string(field) + "}");
    EXPECT_TRUE(request) << request.error().message;
    return request && request->grammar ? *request->grammar : GrammarText{};
  };
  EXPECT_EQ(grammar(R"("grammar":"root ::= [a]")").kind, text::GrammarKind::kGbnf);
  EXPECT_EQ(grammar(R"("grammar":"%llguidance {}\nstart: /a/")").kind, text::GrammarKind::kLark);
  const GrammarText schema = grammar(R"("json_schema":{"z":1,"a":[true]},"grammar":"")");
  EXPECT_EQ(schema.kind, text::GrammarKind::kJsonSchema);
  EXPECT_EQ(schema.text, R"({"z":1,"a":[true]})");
  EXPECT_FALSE(ReadCompletion(R"({"prompt":"x","grammar":"","regex":""})")->grammar);
  const auto bias = ReadCompletion(R"({"prompt":"x","logit_bias":{"7":2,"1":-0.5}})");
  ASSERT_TRUE(bias);
  EXPECT_EQ(bias->generate.logit_bias,
            (std::vector<std::pair<int32_t, float>>{{7, 2.0f}, {1, -0.5f}}));
}

TEST(ProtocolTest, ABadFieldIsNamed) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({})", "\"prompt\""},
      {R"({"prompt":7})", "\"prompt\""},
      {R"({"prompt":[1,"2"]})", "\"prompt\""},
      {R"({"prompt":[-1]})", "\"prompt\""},
      {R"({"prompt":[1.5]})", "\"prompt\""},
      {R"({"prompt":"x","stop":"y"})", "\"stop\""},
      {R"({"prompt":"x","preserved_tokens":"y"})", "\"preserved_tokens\""},
      {R"({"prompt":"x","context_shift":1})", "\"context_shift\""},
      {R"({"prompt":"x","n_ctx":"y"})", "\"n_ctx\""},
      {R"({"prompt":"x","stop":[1]})", "\"stop\""},
      {R"({"prompt":"x","temperature":"hot"})", "\"temperature\""},
      {R"({"prompt":"x","temperature":1e300})", "\"temperature\""},
      {R"({"prompt":"x","typical_p":"x"})", "\"typical_p\""},
      {R"({"prompt":"x","top_k":1.5})", "\"top_k\""},
      {R"({"prompt":"x","stream":1})", "\"stream\""},
      {R"({"prompt":"x","seed":"1"})", "\"seed\""},
      {R"({"prompt":"x","repeat_penalty":0})", "\"repeat_penalty\""},
      {R"({"prompt":"x","grammar":7})", "\"grammar\""},
      {R"({"prompt":"x","json_schema":"{}"})", "\"json_schema\""},
      {R"({"prompt":"x","json_schema":{},"regex":"a"})", "only one of"},
      {R"({"prompt":"x","response_format":{}})", "\"response_format\""},
      {R"({"prompt":"x","logit_bias":7})", "\"logit_bias\""},
      {R"({"prompt":"x","logit_bias":[[1]]})", "\"logit_bias\""},
      {R"({"prompt":"x","logit_bias":[["a",1]]})", "\"logit_bias\""},
      {R"({"prompt":"x","logit_bias":[[1,true]]})", "\"logit_bias\""},
      {R"({"prompt":"x","logit_bias":[[1,1e300]]})", "\"logit_bias\""},
      {R"({"prompt":"x","logit_bias":{"-1":1}})", "\"logit_bias\""},
      {R"({"prompt":"x","logit_bias":{"1x":1}})", "\"logit_bias\""},
      {R"({"prompt":"x","n_probs":21})", "\"n_probs\""},
      {R"({"prompt":"x","n_probs":-1})", "\"n_probs\""},
      {R"({"prompt":"x","post_sampling_probs":true})", "\"post_sampling_probs\""},
      {R"({"prompt":"x","grammar_after":7})", "\"grammar_after\""},
  };
  for (const auto& [body, name] : cases) {
    const Result<CompletionRequest> request = ReadCompletion(body);
    ASSERT_FALSE(request) << body;
    EXPECT_EQ(request.error().kind, ErrorKind::kInvalid) << body;
    EXPECT_NE(request.error().message.find(name), std::string::npos) << request.error().message;
  }
  EXPECT_FALSE(ReadCompletion("not json"));
  EXPECT_FALSE(ReadCompletion("[]"));
}

TEST(ProtocolTest, BoundsThatOnlyLimit) {
  const Result<CompletionRequest> request =
      ReadCompletion(R"({"prompt":"x","n_predict":-2,"top_k":99999999999})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->generate.max_tokens, -1);
  EXPECT_EQ(request->generate.sampling.top_k, 2147483647);
}

TEST(ProtocolTest, OtherRequests) {
  const Result<TokenizeRequest> tokenize = ReadTokenize(R"({"content":"x","add_special":true})");
  ASSERT_TRUE(tokenize);
  EXPECT_TRUE(tokenize->encode.add_special);
  EXPECT_TRUE(tokenize->encode.parse_special);
  EXPECT_FALSE(ReadTokenize(R"({"content":"x"})")->encode.add_special);
  EXPECT_FALSE(ReadTokenize("{}"));
  EXPECT_EQ(*ReadDetokenize(R"({"tokens":[5,6]})"), (std::vector<int32_t>{5, 6}));
  EXPECT_FALSE(ReadDetokenize(R"({"tokens":"5"})"));
}

TEST(ProtocolTest, Answers) {
  EXPECT_EQ(WritePiece("a\"b", {1, 2}),
            "data: {\"content\":\"a\\\"b\",\"stop\":false,\"tokens\":[1,2]}\n\n");
  engine::Outcome outcome;
  outcome.stop = engine::StopType::kWord;
  outcome.stopping_word = "END";
  outcome.tokens_cached = 9;
  outcome.timings = {3, 4, 1.5, 2, 0.25};
  const std::string rest =
      R"("stop":true,"stop_type":"word","stopping_word":"END","tokens":[],"tokens_predicted":2,)"
      R"("tokens_evaluated":7,"tokens_cached":9,"truncated":false,"timings":{"cache_n":3,)"
      R"("prompt_n":4,"prompt_ms":1.5,"predicted_n":2,"predicted_ms":0.25}})";
  EXPECT_EQ(WriteLast(outcome), "data: {\"content\":\"\"," + rest + "\n\n");
  EXPECT_EQ(WriteWhole("text", {}, outcome), "{\"content\":\"text\"," + rest);
  EXPECT_EQ(WriteErrorEvent({ErrorKind::kInternal, "no"}),
            R"(data: {"error":{"code":500,"message":"no","type":"server_error"}})"
            "\n\n");
  EXPECT_EQ(WriteError({ErrorKind::kInvalid, "no"}),
            R"({"error":{"code":400,"message":"no","type":"invalid_request_error"}})");
  EXPECT_EQ(WriteError({ErrorKind::kDevice, "no"}),
            R"({"error":{"code":500,"message":"no","type":"device_error"}})");
  EXPECT_EQ(WriteTooLong({ErrorKind::kTooLong, "no"}, 40, 32),
            R"({"error":{"code":400,"message":"no","type":"exceed_context_size_error",)"
            R"("n_prompt_tokens":40,"n_ctx":32}})");
}

}  // namespace
}  // namespace axollama::runner
