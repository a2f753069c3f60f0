#include "api/responses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "api/responses_answer.h"

namespace axollama::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ResponsesRequest Parsed(const std::string& fields) {
  const auto request = ParseResponses(R"({"model":"m",)" + fields + "}");
  EXPECT_TRUE(request) << request.error().message;
  return request.value_or(ResponsesRequest{});
}

std::string ErrorWith(const std::string& fields) {
  const auto request = ParseResponses(R"({"model":"m",)" + fields + "}");
  if (request) return "";
  EXPECT_EQ(request.error().kind, ErrorKind::kInvalid);
  return request.error().message;
}

TEST(Responses, TextAndInstructions) {
  const ResponsesRequest request =
      Parsed(R"("input":"Hi","instructions":"Be brief.","max_output_tokens":9,"temperature":0.5,)"
             R"("reasoning":{"effort":"low"},"stream":true,"truncation":"auto",)"
             R"("text":{"format":{"type":"json_schema","name":"x","schema":{"type":"object"}}},)"
             R"("include":["message.output_text.logprobs"],"metadata":{"a":"b"},"store":true)");
  const Turn& turn = request.turn;
  ASSERT_EQ(turn.messages.size(), 2u);
  EXPECT_EQ(turn.messages[0].role, "system");
  EXPECT_EQ(turn.messages[0].content, "Be brief.");
  EXPECT_EQ(turn.messages[1].role, "user");
  EXPECT_EQ(turn.messages[1].content, "Hi");
  EXPECT_EQ(turn.options.num_predict, 9);
  EXPECT_EQ(turn.options.temperature, 0.5);
  EXPECT_EQ(turn.options.top_p, 1.0);
  EXPECT_EQ(turn.think, Think::kLow);
  EXPECT_EQ(turn.format.kind, Format::Kind::kSchema);
  EXPECT_EQ(turn.format.schema_json, R"({"type":"object"})");
  EXPECT_TRUE(request.stream && turn.truncate && turn.logprobs);
  EXPECT_EQ(json::Write(request.echo.at("metadata")), R"({"a":"b"})");
  EXPECT_FALSE(Parsed(R"("input":"Hi")").turn.truncate);
}

TEST(Responses, ItemsBecomeMessages) {
  const Turn turn =
      Parsed(R"("input":[{"role":"developer","content":"d"},)"
             R"({"type":"message","role":"user","content":[{"type":"input_text",)"
             R"("text":"q"}]},)"
             R"({"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text",)"
             R"("text":"hm"}]},)"
             R"({"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},)"
             R"({"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},)"
             R"({"type":"message","role":"assistant","content":[{"type":"output_text",)"
             R"("text":"wait"}]},)"
             R"({"type":"function_call_output","call_id":"c2","output":"2"},)"
             R"({"type":"function_call_output","call_id":"c1","output":[)"
             R"({"type":"input_text","text":"1"}]},)"
             R"({"type":"web_search_call","id":"ws"},)"
             R"({"type":"reasoning","summary":[],"encrypted_content":"so"}])")
          .turn;
  ASSERT_EQ(turn.messages.size(), 6u);
  EXPECT_EQ(turn.messages[0].role, "system");
  const Message& calls = turn.messages[2];
  EXPECT_EQ(calls.role, "assistant");
  EXPECT_EQ(calls.thinking, "hm");
  EXPECT_EQ(calls.content, "wait");  // sent between a call and its output
  ASSERT_EQ(calls.tool_calls.size(), 2u);
  EXPECT_EQ(calls.tool_calls[1].name, "g");
  EXPECT_EQ(calls.tool_calls[1].index, 1);
  EXPECT_EQ(turn.messages[3].role, "tool");
  EXPECT_EQ(turn.messages[3].tool_name, "g");
  EXPECT_EQ(turn.messages[4].content, "1");
  EXPECT_EQ(turn.messages[4].tool_call_id, "c1");
  EXPECT_EQ(turn.messages[5].thinking, "so");  // reasoning with nothing after it
}

TEST(Responses, Tools) {
  const ResponsesRequest request =
      Parsed(R"("input":"x","tools":[{"type":"function","name":"f","description":null,)"
             R"("strict":true,"parameters":{"type":"object","properties":{}}},)"
             R"({"type":"namespace","name":"math","tools":[{"type":"function","name":"add"}]}],)"
             R"("tool_choice":{"type":"function","name":"math.add"})");
  EXPECT_EQ(request.turn.tools_json,
            R"([{"type":"function","function":{"name":"f","parameters":{"type":"object",)"
            R"("properties":{}}}},{"type":"function","function":{"name":"math.add",)"
            R"("parameters":{"type":"object","properties":{}}}}])");
  EXPECT_EQ(request.turn.tool_choice.kind, ToolChoice::Kind::kNamed);
  EXPECT_EQ(request.turn.tool_choice.name, "math.add");
}

TEST(Responses, WhatIsNotThereIsRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("instructions":"x")", "\"input\" is required"},
      {R"("input":[])", "\"input\" must not be empty"},
      {R"("input":7)", "\"input\" must be a string or an array of items"},
      {R"("input":"x","previous_response_id":"resp_1")",
       "\"previous_response_id\" is not supported: no response is stored here, so send the whole "
       "conversation"},
      {R"("input":"x","background":true)", "\"background\" is not supported: leave it out"},
      {R"("input":[{"type":"item_reference","id":"msg_1"}])",
       "\"input[0].type\" is \"item_reference\", but no response is stored here: send the item "
       "itself"},
      {R"("input":[{"type":"computer_call"}])",
       "\"input[0].type\" is \"computer_call\", which is not supported"},
      {R"("input":[{}])", "\"input[0].type\" is required"},
      {R"("input":[{"role":"user","content":[{"type":"input_file"}]}])",
       "file inputs are not currently supported"},
      {R"("input":"x","tools":[{"type":"web_search"}])",
       "\"tools[0].type\" is \"web_search\": only functions, which the client runs, are "
       "supported"},
      {R"("input":"x","truncation":"some")", "\"truncation\" must be \"auto\" or \"disabled\""},
  };
  for (const auto& [fields, message] : cases) EXPECT_EQ(ErrorWith(fields), message) << fields;
}

// --- The answer ---

ResponsesStream Stream() {
  return ResponsesStream({"t", 5, "m", json::Object{{"tools", json::Array()}}});
}

Finish Finished(const char* reason) {
  Finish finish;
  finish.done_reason = reason;
  finish.prompt_tokens = {1, 2, 3};
  finish.eval_tokens = 4;
  finish.cached_tokens = 2;
  return finish;
}

// "event" fields in order, with what stands in `data` as an object.
std::vector<json::Object> Events(const std::string& text) {
  std::vector<json::Object> events;
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = text.find("\n\n", at);
    const std::string event = text.substr(at, end - at);
    const size_t line = event.find("\ndata: ");
    auto data = json::ParseObject(event.substr(line + 7), "event");
    EXPECT_TRUE(data);
    EXPECT_EQ("event: " + std::string(json::View(data->at("type").get_string())),
              event.substr(0, line));
    events.push_back(std::move(*data));
    at = end + 2;
  }
  return events;
}

std::vector<std::string> Types(const std::vector<json::Object>& events) {
  std::vector<std::string> types;
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i].at("sequence_number").to_number<size_t>(), i);
    const std::string type(json::View(events[i].at("type").get_string()));
    types.push_back(type.substr(type.find('.') + 1));
  }
  return types;
}

TEST(ResponsesStream, ThinkingTextAndCalls) {
  ResponsesStream stream = Stream();
  Piece first;
  first.thinking = "hm";
  Piece second;
  second.content = "Yes";
  second.call_deltas = {{0, "call_1", "f", ""}, {0, "", "", "{}"}};
  second.calls = {{"call_1", 0, "f", "{}"}};
  Piece third;
  third.call_deltas = {{1, "call_2", "g", R"({"a":1})"}};
  third.calls = {{"call_2", 1, "g", R"({"a":1})"}};
  Finish finish = Finished("stop");
  finish.thinking_tokens = 2;
  finish.calls = 2;
  std::string text = stream.Take(first);
  text += stream.Take(second);
  text += stream.Take(third);
  text += stream.End(finish, 9);
  const std::vector<json::Object> events = Events(text);
  EXPECT_THAT(
      Types(events),
      ElementsAre("created", "in_progress", "output_item.added", "reasoning_summary_part.added",
                  "reasoning_summary_text.delta", "reasoning_summary_text.done",
                  "reasoning_summary_part.done", "output_item.done", "output_item.added",
                  "content_part.added", "output_text.delta", "output_text.done",
                  "content_part.done", "output_item.done", "output_item.added",
                  "function_call_arguments.delta", "function_call_arguments.done",
                  "output_item.done", "output_item.added", "function_call_arguments.delta",
                  "function_call_arguments.done", "output_item.done", "completed"));
  EXPECT_EQ(json::Write(events[10]),
            R"({"type":"response.output_text.delta","sequence_number":10,"item_id":"msg_t_1",)"
            R"("output_index":1,"content_index":0,"delta":"Yes","logprobs":[]})");
  EXPECT_EQ(json::Write(events[16]),
            R"({"type":"response.function_call_arguments.done","sequence_number":16,)"
            R"("item_id":"fc_t_2","output_index":2,"name":"f","arguments":"{}"})");
  const json::Object& response = events.back().at("response").get_object();
  EXPECT_THAT(json::Write(response.at("usage")), HasSubstr(R"({"reasoning_tokens":2})"));
  EXPECT_EQ(json::Write(response.at("output")),
            R"([{"id":"rs_t_0","type":"reasoning","summary":[{"type":"summary_text",)"
            R"("text":"hm"}],"encrypted_content":"hm","status":"completed"},)"
            R"({"id":"msg_t_1","type":"message","role":"assistant","content":[)"
            R"({"type":"output_text","text":"Yes","annotations":[],"logprobs":[]}],)"
            R"("status":"completed"},)"
            R"({"id":"fc_t_2","type":"function_call","call_id":"call_1","name":"f",)"
            R"("arguments":"{}","status":"completed"},)"
            R"({"id":"fc_t_3","type":"function_call","call_id":"call_2","name":"g",)"
            R"("arguments":"{\"a\":1}","status":"completed"}])");
  Piece whole;
  whole.thinking = "hm";
  whole.content = "Yes";
  whole.calls = {second.calls[0], third.calls[0]};
  EXPECT_EQ(Stream().Whole(whole, finish, 9), response);
}

TEST(ResponsesStream, TheWholeObject) {
  ResponsesStream stream = Stream();
  Piece piece;
  piece.content = "Hi";
  EXPECT_EQ(json::Write(stream.Whole(piece, Finished("stop"), 9)),
            R"({"id":"resp_t","object":"response","created_at":5,"completed_at":9,)"
            R"("status":"completed","incomplete_details":null,"model":"m",)"
            R"("previous_response_id":null,"output":[{"id":"msg_t_0","type":"message",)"
            R"("role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[],)"
            R"("logprobs":[]}],"status":"completed"}],"error":null,"usage":{"input_tokens":3,)"
            R"("input_tokens_details":{"cached_tokens":2},"output_tokens":4,)"
            R"("output_tokens_details":{"reasoning_tokens":0},"total_tokens":7},)"
            R"("max_tool_calls":null,"store":false,"background":false,"service_tier":"default",)"
            R"("safety_identifier":null,"prompt_cache_key":null,"tools":[]})");
}

TEST(ResponsesStream, CutShort) {
  ResponsesStream stream = Stream();
  Piece piece;
  piece.content = "Hi";
  std::string text = stream.Take(piece);
  text += stream.End(Finished("length"), 9);
  const auto events = Events(text);
  EXPECT_EQ(Types(events).back(), "incomplete");
  const json::Object& response = events.back().at("response").get_object();
  EXPECT_EQ(json::Write(response.at("incomplete_details")), R"({"reason":"max_output_tokens"})");
  EXPECT_THAT(json::Write(response.at("output")), HasSubstr("\"incomplete\""));
  EXPECT_TRUE(response.at("completed_at").is_null());
}

TEST(ResponsesStream, AnAnswerWithoutAWordIsAMessage) {
  ResponsesStream stream = Stream();
  EXPECT_THAT(
      Types(Events(stream.End(Finished("stop"), 9))),
      ElementsAre("created", "in_progress", "output_item.added", "content_part.added",
                  "output_text.done", "content_part.done", "output_item.done", "completed"));
}

TEST(ResponsesStream, ACallThatWasNoneIsIncomplete) {
  ResponsesStream stream = Stream();
  Piece begun;
  begun.call_deltas = {{0, "call_1", "f", "{\"a\":"}};
  Piece given_up;
  given_up.content = "{\"a\": oops";
  std::string text = stream.Take(begun);
  text += stream.Take(given_up);
  text += stream.End(Finished("stop"), 9);
  const auto events = Events(text);
  const json::Array& output = events.back().at("response").get_object().at("output").get_array();
  ASSERT_EQ(output.size(), 2u);
  EXPECT_EQ(output[0].at("status"), json::Value("incomplete"));
  EXPECT_EQ(output[1].at("status"), json::Value("completed"));
}

TEST(ResponsesStream, Failure) {
  ResponsesStream stream = Stream();
  Piece piece;
  piece.content = "Hi";
  std::string text = stream.Take(piece);
  text += stream.Fail("the runner stopped");
  const auto events = Events(text);
  EXPECT_EQ(Types(events).back(), "failed");
  const json::Object& response = events.back().at("response").get_object();
  EXPECT_EQ(json::Write(response.at("error")),
            R"({"code":"server_error","message":"the runner stopped"})");
  EXPECT_EQ(json::Write(response.at("status")), R"("failed")");
}

}  // namespace
}  // namespace axollama::api
