#include "api/llama_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

namespace axollama::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(LlamaCompletion, IsReadAsOllamaWritesIt) {
  const auto r = ParseLlamaCompletion(
      R"({"prompt":"The fox","stream":true,"cache_prompt":true,"n_predict":7,"n_keep":4,
          "temperature":0.5,"top_k":3,"top_p":0.8,"min_p":0.1,"stop":["a","b"],
          "repeat_penalty":1.1,"repeat_last_n":32,"frequency_penalty":0.2,"presence_penalty":0.3,
          "typical_p":0.9,"seed":42,"grammar":"root ::= \"x\"","n_probs":5,
          "preserved_tokens":["<think>"]})");
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(std::get<std::string>(r->prompt), "The fox");
  const Sampling& s = r->sampling;
  EXPECT_EQ(s.num_predict, 7);
  EXPECT_EQ(r->keep_tokens, 4);
  EXPECT_EQ(s.temperature, 0.5);
  EXPECT_EQ(s.top_k, 3);
  EXPECT_EQ(s.min_p, 0.1);
  EXPECT_EQ(s.seed, 42);
  EXPECT_THAT(s.stop, ElementsAre("a", "b"));
  EXPECT_EQ(r->grammar, "root ::= \"x\"");
  EXPECT_EQ(r->n_probs, 5);
  EXPECT_THAT(r->preserved_tokens, ElementsAre("<think>"));
  const auto tokens = ParseLlamaCompletion(R"({"prompt":[1,2],"json_schema":{"type":"object"}})");
  ASSERT_TRUE(tokens);
  EXPECT_THAT(std::get<std::vector<int32_t>>(tokens->prompt), ElementsAre(1, 2));
  EXPECT_EQ(tokens->json_schema, R"({"type":"object"})");
}

TEST(LlamaCompletion, WhatIsWrongIsNamed) {
  for (const auto& [body, word] :
       {std::pair("[]", "object"),
        {"{}", "prompt"},
        {R"({"prompt":7})", "prompt"},
        {R"({"prompt":[-1]})", "token"},
        {R"({"prompt":[4294967296]})", "token"},
        {R"({"prompt":{"prompt_string":"a"}})", "images"},
        {R"({"prompt":"","seed":"x"})", "seed"},
        {R"({"prompt":"","json_schema":"x"})", "json_schema"},
        {R"({"prompt":"","grammar":"a","json_schema":{}})", "exclude"},
        {R"({"prompt":"","preserved_tokens":[1]})", "preserved_tokens"}}) {
    const auto r = ParseLlamaCompletion(body);
    ASSERT_FALSE(r) << body;
    EXPECT_EQ(r.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(r.error().message, HasSubstr(word));
  }
}

TEST(LlamaChat, IsReadAsOllamaWritesIt) {
  const auto turn = ParseLlamaChat(
      R"({"messages":[{"role":"user","content":"Hi"}],"stream":true,"n_predict":-1,"top_k":9,
          "temperature":0,"chat_template_kwargs":{"enable_thinking":true,"reasoning_effort":"low"},
          "response_format":{"type":"json_schema","json_schema":{"name":"schema","schema":{}}}})",
      "m");
  ASSERT_TRUE(turn) << turn.error().message;
  EXPECT_EQ(turn->model, "m");
  EXPECT_EQ(turn->messages.size(), 1u);
  EXPECT_EQ(turn->options.top_k, 9);
  EXPECT_EQ(turn->options.num_predict, -1);
  EXPECT_EQ(turn->options.temperature, 0);
  EXPECT_EQ(turn->think, Think::kLow);
  EXPECT_FALSE(turn->truncate);
  EXPECT_EQ(turn->format.kind, Format::Kind::kSchema);
  const auto off = ParseLlamaChat(
      R"({"messages":[{"role":"user","content":"Hi"}],
          "chat_template_kwargs":{"enable_thinking":false}})",
      "m");
  ASSERT_TRUE(off);
  EXPECT_EQ(off->think, Think::kOff);
  EXPECT_FALSE(ParseLlamaChat(R"({"messages":[]})", "m"));
}

TEST(LlamaEvents, AreWhatOllamaReads) {
  CompletionEvent event;
  event.content = "ab";
  event.tokens = {7};
  event.logprobs = {{"ab", -0.5, {{"ab", -0.5}}}};
  EXPECT_EQ(WriteLlamaEvent(event),
            "data: {\"index\":0,\"content\":\"ab\",\"tokens\":[7],\"stop\":false,"
            "\"completion_probabilities\":[{\"token\":\"ab\",\"logprob\":-0.5,\"bytes\":[97,98],"
            "\"top_logprobs\":[{\"token\":\"ab\",\"logprob\":-0.5,\"bytes\":[97,98]}]}]}\n\n");
  event = {};
  event.stop = true;
  event.stop_type = "limit";
  event.timings = {1, 2, 3.5, 4, 5.5};
  const std::string last = WriteLlamaEvent(event);
  EXPECT_THAT(last, HasSubstr("\"stop\":true,\"stop_type\":\"limit\""));
  EXPECT_THAT(last, HasSubstr("\"timings\":{\"cache_n\":1,\"prompt_n\":2,\"prompt_ms\":3.5,"
                              "\"predicted_n\":4,\"predicted_ms\":5.5}"));

  Piece piece;
  piece.thinking = "hm";
  piece.content = "yes";
  piece.call_deltas = {{0, "call_1", "f", "{"}, {0, "", "", "}"}};
  EXPECT_THAT(WriteLlamaChunk(piece),
              HasSubstr("\"delta\":{\"reasoning_content\":\"hm\",\"content\":\"yes\","
                        "\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\","
                        "\"function\":{\"name\":\"f\",\"arguments\":\"{\"}},{\"index\":0,"
                        "\"function\":{\"arguments\":\"}\"}}]},\"finish_reason\":null"));
  Finish finish;
  finish.done_reason = "length";
  finish.prompt_tokens = {1, 2, 3};
  finish.cached_tokens = 1;
  finish.eval_tokens = 4;
  const std::string end = WriteLlamaLastChunk(finish);
  EXPECT_THAT(end, HasSubstr("\"finish_reason\":\"length\""));
  EXPECT_THAT(end, HasSubstr("\"cache_n\":1,\"prompt_n\":2"));
}

}  // namespace
}  // namespace axollama::api
