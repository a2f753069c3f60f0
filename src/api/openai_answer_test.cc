#include "api/openai_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/openai_completions.h"
#include "api/openai_models.h"

namespace axollama::api {
namespace {

using testing::HasSubstr;

const OpenAiHead kHead{"chatcmpl-1", 1700000000, "m"};

Piece Text(const char* content) {
  Piece piece;
  piece.content = content;
  return piece;
}

Piece Thought(const char* thinking) {
  Piece piece;
  piece.thinking = thinking;
  return piece;
}

Finish Finished(const char* reason, int64_t tokens, int64_t cached = 0) {
  Finish finish;
  finish.done_reason = reason;
  finish.prompt_tokens = {1, 2, 3};
  finish.eval_tokens = tokens;
  finish.cached_tokens = cached;
  return finish;
}

// A chunk of the stream with these choices and, perhaps, more after them.
std::string Chunk(const std::string& choices_and_more) {
  return R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,)"
         R"("model":"m","system_fingerprint":"fp_ollama","choices":)" +
         choices_and_more + "}\n\n";
}

TEST(OpenAiAnswer, Whole) {
  Piece answer = Text("Hello");
  EXPECT_EQ(WriteOpenAiChat(kHead, {{answer, Finished("stop", 2, 1)}}, false),
            R"({"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m",)"
            R"("system_fingerprint":"fp_ollama","choices":[{"index":0,"message":{"role":)"
            R"("assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,)"
            R"("completion_tokens":2,"total_tokens":5,"prompt_tokens_details":)"
            R"({"cached_tokens":1}}})");
}

TEST(OpenAiAnswer, WholeWithCallsThinkingAndChoices) {
  Piece calls = Thought("hm");
  calls.calls = {{"call_1", 0, "add", R"({"a":1})"}};
  Finish called = Finished("stop", 4);
  called.calls = 1;
  EXPECT_THAT(
      WriteOpenAiChat(kHead, {{calls, called}, {Text("cut"), Finished("length", 6)}}, false),
      HasSubstr(R"("choices":[{"index":0,"message":{"role":"assistant","content":"","reasoning":)"
                R"("hm","tool_calls":[{"id":"call_1","index":0,"type":"function","function":)"
                R"({"name":"add","arguments":"{\"a\":1}"}}]},"finish_reason":"tool_calls"},)"
                R"({"index":1,"message":{"role":"assistant","content":"cut"},"finish_reason":)"
                R"("length"}],"usage":{"prompt_tokens":3,"completion_tokens":10,)"
                R"("total_tokens":13,)"));
}

TEST(OpenAiAnswer, LogprobsHaveBytes) {
  Piece answer = Text("é");
  answer.logprobs = {{"\xC3", -0.5, {{"\xC3", -0.5}, {"a", -1}}}, {"\xA9", 0, {}}};
  EXPECT_THAT(WriteOpenAiChat(kHead, {{answer, Finished("stop", 2)}}, true),
              HasSubstr("\"logprobs\":{\"content\":[{\"token\":\"\xEF\xBF\xBD\",\"logprob\":-0.5,"
                        "\"bytes\":[195],\"top_logprobs\":[{\"token\":\"\xEF\xBF\xBD\","
                        "\"logprob\":-0.5,\"bytes\":[195]},{\"token\":\"a\",\"logprob\":-1,"
                        "\"bytes\":[97]}]},{\"token\":\"\xEF\xBF\xBD\",\"logprob\":0,"
                        "\"bytes\":[169],\"top_logprobs\":[]}],\"refusal\":null}"));
}

TEST(OpenAiStream, TextWithUsage) {
  OpenAiChatStream stream(kHead, true);
  EXPECT_EQ(stream.Take(Text("Hel")),
            Chunk(R"([{"index":0,"delta":{"role":"assistant","content":"Hel"},)"
                  R"("finish_reason":null}])"));
  EXPECT_EQ(stream.Take(Text("lo")),
            Chunk(R"([{"index":0,"delta":{"content":"lo"},"finish_reason":null}])"));
  EXPECT_EQ(stream.EndChoice(Finished("length", 2, 3)),
            Chunk(R"([{"index":0,"delta":{},"finish_reason":"length"}])"));
  EXPECT_EQ(stream.End(),
            Chunk(R"([],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,)"
                  R"("prompt_tokens_details":{"cached_tokens":3}})") +
                "data: [DONE]\n\n");
}

TEST(OpenAiStream, ThinkingAndTextOfOnePieceAreTwoChunks) {
  OpenAiChatStream stream(kHead, false);
  Piece both = Thought("so");
  both.content = "Yes";
  EXPECT_EQ(stream.Take(both),
            Chunk(R"([{"index":0,"delta":{"role":"assistant","reasoning":"so"},)"
                  R"("finish_reason":null}])") +
                Chunk(R"([{"index":0,"delta":{"content":"Yes"},"finish_reason":null}])"));
  EXPECT_EQ(stream.Take(Piece()), "");
  EXPECT_EQ(stream.EndChoice(Finished("stop", 2)),
            Chunk(R"([{"index":0,"delta":{},"finish_reason":"stop"}])"));
  EXPECT_EQ(stream.End(), "data: [DONE]\n\n");
}

TEST(OpenAiStream, CallsComeInParts) {
  OpenAiChatStream stream(kHead, false);
  Piece first;
  first.call_deltas = {{0, "call_1", "add", ""}};
  EXPECT_EQ(stream.Take(first),
            Chunk(R"([{"index":0,"delta":{"role":"assistant","content":"","tool_calls":[)"
                  R"({"index":0,"id":"call_1","type":"function","function":{"name":"add",)"
                  R"("arguments":""}}]},"finish_reason":null}])"));
  Piece rest;
  rest.call_deltas = {{0, "", "", "{\"a\""}, {0, "", "", ":1}"}};
  EXPECT_EQ(stream.Take(rest),
            Chunk(R"([{"index":0,"delta":{"content":"","tool_calls":[{"index":0,"function":)"
                  R"({"arguments":"{\"a\""}},{"index":0,"function":{"arguments":":1}"}}]},)"
                  R"("finish_reason":null}])"));
  Finish finish = Finished("stop", 5);
  finish.calls = 1;
  EXPECT_THAT(stream.EndChoice(finish), HasSubstr(R"("finish_reason":"tool_calls")"));
}

TEST(OpenAiStream, ChoicesFollowEachOther) {
  OpenAiChatStream stream(kHead, true);
  stream.Take(Text("a"));
  stream.EndChoice(Finished("stop", 1));
  // The second has no word at all, and a beginning nevertheless.
  EXPECT_EQ(stream.EndChoice(Finished("stop", 2, 3)),
            Chunk(R"([{"index":1,"delta":{"role":"assistant","content":""},)"
                  R"("finish_reason":null}])") +
                Chunk(R"([{"index":1,"delta":{},"finish_reason":"stop"}])"));
  EXPECT_THAT(stream.End(), HasSubstr(R"("usage":{"prompt_tokens":3,"completion_tokens":3,)"
                                      R"("total_tokens":6,"prompt_tokens_details":)"
                                      R"({"cached_tokens":0}})"));
}

OpenAiCompletionRequest Completion(const std::string& fields) {
  const auto request = ParseOpenAiCompletion(R"({"model":"m")" + fields + "}");
  EXPECT_TRUE(request) << request.error().message;
  return request.value_or(OpenAiCompletionRequest{});
}

TEST(OpenAiCompletions, Request) {
  const OpenAiCompletionRequest request =
      Completion(R"(,"prompt":["a","b"],"n":2,"seed":5,"max_tokens":9,"suffix":"z","logprobs":2)");
  EXPECT_EQ(request.choices(), 4);
  EXPECT_EQ(request.Choice(1).plain->prompt, "a");
  EXPECT_EQ(request.Choice(1).options.seed, 6);
  EXPECT_EQ(request.Choice(2).plain->prompt, "b");
  EXPECT_EQ(request.Choice(2).options.seed, 5);
  EXPECT_EQ(request.turn.plain->suffix, "z");
  EXPECT_FALSE(request.turn.plain->raw);
  EXPECT_EQ(request.turn.options.num_predict, 9);
  EXPECT_EQ(request.turn.options.temperature, 1.0);
  EXPECT_TRUE(request.turn.logprobs);
  EXPECT_EQ(request.turn.top_logprobs, 2);
  const std::pair<const char*, const char*> cases[] = {
      {R"("prompt":[1,2])", "\"prompt\" must be a string or an array of strings"},
      {R"("prompt":[])", "\"prompt\" must be a string or an array of strings"},
      {R"("prompt":"a","echo":true)", "\"echo\" is not supported: leave it out"},
      {R"("prompt":"a","best_of":3)", "\"best_of\" is not supported: leave it out"},
      {R"("prompt":["a","b"],"n":9)", "\"n\" times the number of prompts must be between 1 and 16"},
      {R"("prompt":"a","logprobs":true)", "\"logprobs\" must be an integer"},
  };
  for (const auto& [fields, message] : cases) {
    const auto refused = ParseOpenAiCompletion(std::string(R"({"model":"m",)") + fields + "}");
    ASSERT_FALSE(refused) << fields;
    EXPECT_EQ(refused.error().message, message);
  }
}

TEST(OpenAiCompletions, AnswerWholeAndStreamed) {
  const OpenAiCompletionRequest request =
      Completion(R"(,"prompt":["a","b"],"logprobs":1,"stream_options":{"include_usage":true})");
  Piece piece = Text("éb");
  piece.logprobs = {{"é", -1, {{"é", -1}}}, {"b", -2, {}}};
  const std::string choice =
      "{\"text\":\"éb\",\"index\":0,\"finish_reason\":null,\"logprobs\":{\"tokens\":"
      "[\"é\",\"b\"],\"token_logprobs\":[-1,-2],\"top_logprobs\":[{\"é\":-1},{}],"
      "\"text_offset\":[0,1]}}";
  OpenAiCompletionAnswer streamed({"cmpl-1", 5, "m"}, request);
  EXPECT_EQ(streamed.Take(piece),
            "data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":5,\"model\":\"m\","
            "\"system_fingerprint\":\"fp_ollama\",\"choices\":[" +
                choice + "]}\n\n");
  EXPECT_EQ(streamed.Take(Thought("not for the text")), "");
  EXPECT_THAT(streamed.EndChoice(Finished("stop", 2)),
              HasSubstr(R"({"text":"","index":0,"finish_reason":"stop","logprobs")"));
  streamed.EndChoice(Finished("length", 3));
  const std::string usage =
      R"("usage":{"prompt_tokens":6,"completion_tokens":5,"total_tokens":11,)";
  EXPECT_THAT(streamed.End(), testing::AllOf(HasSubstr(R"("choices":[],)" + usage),
                                             testing::EndsWith("data: [DONE]\n\n")));
  OpenAiCompletionAnswer whole({"cmpl-1", 5, "m"}, request);
  EXPECT_THAT(whole.Write({{piece, Finished("stop", 2)}, {Text("c"), Finished("length", 3)}}),
              testing::AllOf(HasSubstr(R"("text":"c","index":1,"finish_reason":"length")"),
                             HasSubstr("\"text_offset\":[0,1]"), HasSubstr(usage)));
}

TEST(OpenAiModels, ListAndOne) {
  EXPECT_EQ(WriteOpenAiModels({}), R"({"object":"list","data":[]})");
  EXPECT_EQ(WriteOpenAiModels({{"a:1", 1'000'000'000}, {"hf.co/me/b:2", 2'500'000'000}}),
            R"({"object":"list","data":[{"id":"hf.co/me/b:2","object":"model","created":2,)"
            R"("owned_by":"me"},{"id":"a:1","object":"model","created":1,"owned_by":"library"}]})");
  EXPECT_EQ(WriteOpenAiModel({"me/b", 0}),
            R"({"id":"me/b","object":"model","created":0,"owned_by":"me"})");
}

TEST(OpenAiErrors, Types) {
  EXPECT_EQ(WriteOpenAiError(Error{ErrorKind::kNotFound, "no"}),
            R"({"error":{"message":"no","type":"not_found_error","param":null,"code":null}})");
  EXPECT_THAT(
      WriteOpenAiError(Error{ErrorKind::kTooLong, "long"}),
      HasSubstr(R"("invalid_request_error","param":null,"code":"context_length_exceeded")"));
  EXPECT_THAT(WriteOpenAiError(503, "busy"), HasSubstr("\"api_error\""));
}

}  // namespace
}  // namespace axollama::api
