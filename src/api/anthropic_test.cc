#include "api/anthropic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "api/anthropic_answer.h"

namespace axollama::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

AnthropicRequest Parsed(const std::string& fields) {
  const auto request = ParseAnthropic(R"({"model":"m","max_tokens":9,)" + fields + "}");
  EXPECT_TRUE(request) << request.error().message;
  return request.value_or(AnthropicRequest{});
}

std::string ErrorOf(const std::string& body) {
  const auto request = ParseAnthropic(body);
  if (request) return "";
  EXPECT_EQ(request.error().kind, ErrorKind::kInvalid);
  return request.error().message;
}

constexpr const char* kHi = R"("messages":[{"role":"user","content":"Hi"}])";

std::string ErrorWith(const std::string& fields) {
  return ErrorOf(R"({"model":"m","max_tokens":9,)" + std::string(kHi) + "," + fields + "}");
}

TEST(Anthropic, PlainRequest) {
  const AnthropicRequest request =
      Parsed(std::string(kHi) +
             R"(,"system":[{"type":"text","text":"Be ","cache_control":{"type":"ephemeral"}},)"
             R"({"type":"text","text":"brief."}],"temperature":0.5,"top_p":0.9,"top_k":3,)"
             R"("stop_sequences":["END"],"stream":true,"metadata":{"user_id":"x"})");
  ASSERT_EQ(request.turn.messages.size(), 2u);
  EXPECT_EQ(request.turn.messages[0].role, "system");
  EXPECT_EQ(request.turn.messages[0].content, "Be brief.");
  EXPECT_EQ(request.turn.messages[1].content, "Hi");
  EXPECT_TRUE(request.stream);
  EXPECT_EQ(request.turn.options.num_predict, 9);
  EXPECT_EQ(request.turn.options.temperature, 0.5);
  EXPECT_EQ(request.turn.options.top_k, 3);
  EXPECT_THAT(*request.turn.options.stop, ElementsAre("END"));
  EXPECT_TRUE(request.turn.think_if_able);
  EXPECT_EQ(request.turn.think, Think::kUnset);
  // Ollama leaves the model's own defaults alone here.
  EXPECT_FALSE(Parsed(kHi).turn.options.temperature);
}

TEST(Anthropic, BlocksBecomeMessages) {
  const auto messages =
      Parsed(
          R"("messages":[{"role":"user","content":[{"type":"text","text":"a"},)"
          R"({"type":"text","text":"b"}]},)"
          R"({"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},)"
          R"({"type":"redacted_thinking","data":"x"},{"type":"text","text":"ok"},)"
          R"({"type":"tool_use","id":"t1","name":"f","input":{"b":1,"a":2}},)"
          R"({"type":"tool_use","id":"t2","name":"g","input":{}}]},)"
          R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t2","content":"two"},)"
          R"({"type":"tool_result","tool_use_id":"t1","is_error":true,)"
          R"("content":[{"type":"text","text":"one"}]},{"type":"text","text":"go on"}]},)"
          R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t1"}]}])")
          .turn.messages;
  ASSERT_EQ(messages.size(), 6u);
  EXPECT_EQ(messages[0].content, "ab");
  EXPECT_EQ(messages[1].thinking, "hm");
  EXPECT_EQ(messages[1].content, "ok");
  ASSERT_EQ(messages[1].tool_calls.size(), 2u);
  EXPECT_EQ(messages[1].tool_calls[0].arguments_json, R"({"b":1,"a":2})");
  EXPECT_EQ(messages[2].role, "tool");  // results come before the user's words
  EXPECT_EQ(messages[2].tool_name, "g");
  EXPECT_EQ(messages[2].content, "two");
  EXPECT_EQ(messages[3].tool_name, "f");
  EXPECT_EQ(messages[3].content, "one");
  EXPECT_EQ(messages[4].role, "user");
  EXPECT_EQ(messages[4].content, "go on");
  EXPECT_EQ(messages[5].role, "tool");
}

TEST(Anthropic, ToolsAndChoices) {
  const auto with = [](const std::string& choice) {
    return Parsed(std::string(kHi) +
                  R"(,"tools":[{"name":"f","description":"F.","input_schema":{"type":"object"}},)"
                  R"({"type":"custom","name":"g"}],"tool_choice":)" +
                  choice)
        .turn;
  };
  const Turn turn = with(R"({"type":"tool","name":"g","disable_parallel_tool_use":true})");
  EXPECT_EQ(turn.tools_json,
            R"([{"type":"function","function":{"name":"f","description":"F.",)"
            R"("parameters":{"type":"object"}}},{"type":"function","function":{"name":"g",)"
            R"("parameters":{"type":"object","properties":{}}}}])");
  EXPECT_EQ(turn.tool_choice.kind, ToolChoice::Kind::kNamed);
  EXPECT_EQ(turn.tool_choice.name, "g");
  EXPECT_FALSE(turn.parallel_tool_calls);
  EXPECT_EQ(with(R"({"type":"any"})").tool_choice.kind, ToolChoice::Kind::kRequired);
  EXPECT_EQ(with(R"({"type":"none"})").tool_choice.kind, ToolChoice::Kind::kNone);
  EXPECT_EQ(with(R"({"type":"auto"})").tool_choice.kind, ToolChoice::Kind::kAuto);
}

TEST(Anthropic, ThinkingAndFormat) {
  const auto think = [](const std::string& fields) {
    return Parsed(std::string(kHi) + "," + fields).turn.think;
  };
  EXPECT_EQ(think(R"("thinking":{"type":"enabled","budget_tokens":2000})"), Think::kOn);
  EXPECT_EQ(think(R"("thinking":{"type":"disabled"})"), Think::kOff);
  EXPECT_EQ(think(R"("thinking":{"type":"adaptive"},"output_config":{"effort":"low"})"),
            Think::kLow);
  EXPECT_EQ(think(R"("output_config":{"effort":"xhigh"})"), Think::kHigh);
  for (const char* const field :
       {R"("output_format":{"type":"json_schema","schema":{"type":"object"}})",
        R"("output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}})"}) {
    const Turn turn = Parsed(std::string(kHi) + "," + field).turn;
    EXPECT_EQ(turn.format.kind, Format::Kind::kSchema);
    EXPECT_EQ(turn.format.schema_json, R"({"type":"object"})");
  }
}

TEST(Anthropic, CountNeedsNoMaxTokens) {
  const std::string body = std::string(R"({"model":"m",)") + kHi + "}";
  EXPECT_EQ(ErrorOf(body), "max_tokens is required and must be positive");
  const auto count = ParseAnthropicCount(body);
  ASSERT_TRUE(count) << count.error().message;
  EXPECT_EQ(count->turn.messages.size(), 1u);
}

TEST(Anthropic, ErrorsNameTheField) {
  EXPECT_EQ(ErrorOf("{}"), "model is required");
  EXPECT_EQ(ErrorOf(R"({"model":"m","max_tokens":0})"),
            "max_tokens is required and must be positive");
  EXPECT_EQ(ErrorOf(R"({"model":"m","max_tokens":1,"messages":[]})"), "messages is required");
  const auto message = [](const std::string& content) {
    return ErrorOf(R"({"model":"m","max_tokens":1,"messages":[{"role":"user","content":)" +
                   content + "}]}");
  };
  EXPECT_EQ(message("null"), "\"messages[0].content\" is required");
  EXPECT_EQ(message("7"), "\"messages[0].content\" must be an array");
  EXPECT_EQ(message(R"([{"type":"tool_use","name":"f"}])"),
            "tool_use block missing required 'id' field");
  EXPECT_EQ(message(R"([{"type":"tool_use","id":"f"}])"),
            "tool_use block missing required 'name' field");
  EXPECT_EQ(message(R"([{"type":"document"}])"),
            "\"messages[0].content[0].type\" is \"document\", which is not supported");
  EXPECT_EQ(message(R"([{"type":"image"}])"), "invalid image source");
  EXPECT_EQ(message(R"([{"type":"image","source":{"type":"url","url":"http://x"}}])"),
            "invalid image source type: url. Only base64 images are supported.");
  const std::pair<const char*, const char*> fields[] = {
      {R"("tools":[{"type":"web_search_20250305","name":"web_search"}])",
       "\"tools[0].type\" is \"web_search_20250305\": only tools that the client runs, with an "
       "input_schema, are supported"},
      {R"("tool_choice":{"type":"any"})",
       "\"tool_choice\" asks for a call, but there are no tools"},
      {R"("thinking":{"type":"on"})",
       "\"thinking.type\" must be \"enabled\", \"disabled\", \"adaptive\" or \"between_tools\""},
      {R"("system":7)", "\"system\" must be an array"},
      {R"("stop_sequences":[1])", "\"stop_sequences\" must be an array of strings"},
  };
  for (const auto& [field, text] : fields) EXPECT_EQ(ErrorWith(field), text) << field;
}

// --- The answer ---

Finish Finished(const char* reason) {
  Finish finish;
  finish.done_reason = reason;
  finish.prompt_tokens = {1, 2, 3};
  finish.eval_tokens = 4;
  finish.cached_tokens = 1;
  return finish;
}

TEST(AnthropicAnswer, Whole) {
  Piece answer;
  answer.thinking = "hm";
  answer.content = "Yes";
  answer.calls = {{"call_1", 0, "f", R"({"a":1})"}};
  Finish finish = Finished("stop");
  finish.calls = 1;
  EXPECT_EQ(WriteAnthropic({"msg_1", "m"}, answer, finish),
            R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[)"
            R"({"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"Yes"},)"
            R"({"type":"tool_use","id":"call_1","name":"f","input":{"a":1}}],)"
            R"("stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":2,)"
            R"("cache_creation_input_tokens":0,"cache_read_input_tokens":1,"output_tokens":4}})");
}

TEST(AnthropicAnswer, StopReasons) {
  Finish finish = Finished("stop");
  EXPECT_THAT(WriteAnthropic({}, {}, finish),
              HasSubstr(R"("content":[],"stop_reason":"end_turn","stop_sequence":null)"));
  finish.stop_sequence = "END";
  EXPECT_THAT(WriteAnthropic({}, {}, finish),
              HasSubstr(R"("stop_reason":"stop_sequence","stop_sequence":"END")"));
  EXPECT_THAT(WriteAnthropic({}, {}, Finished("length")),
              HasSubstr(R"("stop_reason":"max_tokens")"));
}

TEST(AnthropicAnswer, Errors) {
  EXPECT_EQ(WriteAnthropicError(404, "no", "req_1"),
            R"({"type":"error","error":{"type":"not_found_error","message":"no"},)"
            R"("request_id":"req_1"})");
  EXPECT_THAT(WriteAnthropicError(529, "busy", ""), HasSubstr("\"overloaded_error\""));
  EXPECT_EQ(AnthropicStatus({ErrorKind::kBusy, ""}), 529);
  EXPECT_EQ(AnthropicStatus({ErrorKind::kUnavailable, ""}), 503);
  EXPECT_EQ(AnthropicStatus({ErrorKind::kTooLong, ""}), 400);
  EXPECT_EQ(WriteAnthropicCount(12), R"({"input_tokens":12})");
}

TEST(AnthropicStream, AllBlocks) {
  AnthropicStream stream({"msg_1", "m"});
  Piece first;
  first.prompt_tokens = 3;
  first.thinking = "hm";
  Piece second;
  second.content = "Yes";
  Piece third;
  third.call_deltas = {{0, "call_1", "f", ""}, {0, "", "", "{\"a\":1}"}};
  Finish finish = Finished("stop");
  finish.calls = 1;
  std::string text = stream.Take(first);
  text += stream.Take(second);
  text += stream.Take(third);
  text += stream.End(finish);
  EXPECT_EQ(text,
            R"(event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":0}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Yes"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_1","name":"f","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":1,"output_tokens":4}}

event: message_stop
data: {"type":"message_stop"}

)");
}

TEST(AnthropicStream, EachCallIsABlock) {
  AnthropicStream stream({"msg_1", "m"});
  Piece piece;
  piece.call_deltas = {{0, "call_1", "f", "{}"}, {1, "call_2", "f", "{}"}};
  const std::string text = stream.Take(piece);
  EXPECT_THAT(text, HasSubstr(R"({"type":"content_block_stop","index":0})"));
  EXPECT_THAT(text, HasSubstr(R"("index":1,"content_block":{"type":"tool_use","id":"call_2")"));
}

TEST(AnthropicStream, TextAfterACallThatWasNone) {
  AnthropicStream stream({"msg_1", "m"});
  Piece begun;
  begun.call_deltas = {{0, "call_1", "f", "{\"a\":"}};
  stream.Take(begun);
  Piece given_up;
  given_up.content = "{\"a\": oops";
  given_up.call_deltas = {{0, "", "", " "}};
  const std::string text = stream.Take(given_up);
  EXPECT_THAT(text, testing::StartsWith("event: content_block_delta\ndata: {\"type\":"
                                        "\"content_block_delta\",\"index\":0"));
  EXPECT_THAT(text, HasSubstr(R"("index":1,"content_block":{"type":"text")"));
}

TEST(AnthropicStream, NothingAndFailure) {
  AnthropicStream stream({"msg_1", "m"});
  EXPECT_EQ(stream.Take(Piece()), "");
  const std::string text = stream.End(Finished("stop"));
  EXPECT_THAT(text, testing::StartsWith("event: message_start\n"));
  EXPECT_THAT(text, HasSubstr("event: message_delta\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("content_block")));
  EXPECT_EQ(stream.Fail(500, "broke"),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\","
            "\"message\":\"broke\"}}\n\n");
}

}  // namespace
}  // namespace axollama::api
