#include "api/openai_chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace axollama::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

OpenAiChatRequest Parsed(const std::string& fields) {
  const auto request =
      ParseOpenAiChat(R"({"model":"m","messages":[{"role":"user","content":"Hi"}])" + fields + "}");
  EXPECT_TRUE(request) << request.error().message;
  return request.value_or(OpenAiChatRequest{});
}

std::string ErrorOf(const std::string& body) {
  const auto request = ParseOpenAiChat(body);
  if (request) return "";
  EXPECT_EQ(request.error().kind, ErrorKind::kInvalid);
  return request.error().message;
}

std::string ErrorWith(const std::string& fields) {
  return ErrorOf(R"({"model":"m","messages":[{"role":"user","content":"Hi"}],)" + fields + "}");
}

std::vector<Message> Messages(const std::string& list) {
  const auto request = ParseOpenAiChat(R"({"model":"m","messages":)" + list + "}");
  EXPECT_TRUE(request) << request.error().message;
  return request ? request->turn.messages : std::vector<Message>();
}

constexpr const char* kTools =
    R"("tools":[{"type":"function","function":{"name":"add","description":"Adds.","strict":true,)"
    R"("parameters":{"type":"object","properties":{"a":{"type":"number"}}}}},)"
    R"({"type":"function","function":{"name":"now"}}])";

TEST(OpenAiChat, Defaults) {
  const OpenAiChatRequest request = Parsed("");
  EXPECT_EQ(request.turn.model, "m");
  ASSERT_EQ(request.turn.messages.size(), 1u);
  EXPECT_EQ(request.turn.messages[0].role, "user");
  EXPECT_EQ(request.turn.messages[0].content, "Hi");
  EXPECT_FALSE(request.stream);
  EXPECT_FALSE(request.include_usage);
  EXPECT_EQ(request.choices(), 1);
  // OpenAI's defaults hold, whatever the model's own are.
  EXPECT_EQ(request.turn.options.temperature, 1.0);
  EXPECT_EQ(request.turn.options.top_p, 1.0);
  EXPECT_FALSE(request.turn.options.seed || request.turn.options.num_predict ||
               request.turn.options.stop);
  EXPECT_EQ(request.turn.think, Think::kUnset);
  EXPECT_EQ(request.turn.format.kind, Format::Kind::kNone);
  EXPECT_EQ(request.turn.tools_json, "");
}

TEST(OpenAiChat, Options) {
  const OpenAiChatRequest request = Parsed(
      R"(,"temperature":0,"top_p":0.5,"seed":7,"frequency_penalty":0.25,"presence_penalty":-1,)"
      R"("stop":"END","max_tokens":3,"max_completion_tokens":5,"stream":true,"n":2,)"
      R"("stream_options":{"include_usage":true},"logprobs":true,"top_logprobs":4,)"
      R"("logit_bias":{"12":-100,"7":1.5},"parallel_tool_calls":false,"reasoning_effort":"minimal",)"
      R"("user":"x","metadata":{"a":"b"},"store":false)");
  const Options& options = request.turn.options;
  EXPECT_EQ(options.temperature, 0.0);
  EXPECT_EQ(options.top_p, 0.5);
  EXPECT_EQ(options.seed, 7);
  EXPECT_EQ(options.frequency_penalty, 0.25);
  EXPECT_EQ(options.presence_penalty, -1.0);
  EXPECT_THAT(*options.stop, ElementsAre("END"));
  EXPECT_EQ(options.num_predict, 5);
  EXPECT_TRUE(request.stream && request.include_usage && request.turn.logprobs);
  EXPECT_EQ(request.turn.top_logprobs, 4);
  EXPECT_THAT(request.turn.logit_bias, ElementsAre(Pair(12, -100.0), Pair(7, 1.5)));
  EXPECT_FALSE(request.turn.parallel_tool_calls);
  EXPECT_EQ(request.turn.think, Think::kLow);
  EXPECT_EQ(request.choices(), 2);
  EXPECT_EQ(request.Choice(1).options.seed, 8);
  EXPECT_THAT(*Parsed(R"(,"stop":["a","b"])").turn.options.stop, ElementsAre("a", "b"));
  EXPECT_EQ(Parsed(R"(,"max_tokens":3)").turn.options.num_predict, 3);
}

TEST(OpenAiChat, Efforts) {
  const std::pair<const char*, Think> efforts[] = {
      {"none", Think::kOff}, {"medium", Think::kMedium}, {"high", Think::kHigh},
      {"max", Think::kMax},  {"xhigh", Think::kMax},     {"ultra", Think::kMax}};
  for (const auto& [word, think] : efforts) {
    const std::string effort(word);
    EXPECT_EQ(Parsed(R"(,"reasoning_effort":")" + effort + '"').turn.think, think) << effort;
    EXPECT_EQ(Parsed(R"(,"reasoning":{"effort":")" + effort + "\"}").turn.think, think) << effort;
  }
  EXPECT_EQ(ErrorWith(R"("reasoning_effort":"a lot")"),
            "invalid reasoning value: \"a lot\" (must be \"minimal\", \"low\", \"medium\", "
            "\"high\", \"xhigh\", \"ultra\", \"max\", or \"none\")");
}

TEST(OpenAiChat, MessagesOfAllKinds) {
  const std::vector<Message> m = Messages(
      R"([{"role":"developer","content":"Be brief."},)"
      R"({"role":"USER","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]},)"
      R"({"role":"assistant","content":null,"reasoning":"hm","tool_calls":[)"
      R"({"id":"c1","type":"function","function":{"name":"add","arguments":"{\"b\":1, \"a\":2}"}},)"
      R"({"id":"c2","type":"function","function":{"name":"now","arguments":""}}]},)"
      R"({"role":"tool","tool_call_id":"c2","content":"noon"},)"
      R"({"role":"tool","tool_call_id":"c1","name":"sum","content":[{"type":"text","text":"3"}]}])");
  ASSERT_EQ(m.size(), 5u);
  EXPECT_EQ(m[0].role, "system");
  EXPECT_EQ(m[1].role, "user");
  EXPECT_EQ(m[1].content, "one\ntwo");
  EXPECT_EQ(m[2].content, "");
  EXPECT_EQ(m[2].thinking, "hm");
  ASSERT_EQ(m[2].tool_calls.size(), 2u);
  EXPECT_EQ(m[2].tool_calls[0].id, "c1");
  EXPECT_EQ(m[2].tool_calls[0].arguments_json, R"({"b":1,"a":2})");  // in their order
  EXPECT_EQ(m[2].tool_calls[1].index, 1);
  EXPECT_EQ(m[2].tool_calls[1].arguments_json, "{}");
  EXPECT_EQ(m[3].tool_name, "now");  // found by its id
  EXPECT_EQ(m[3].tool_call_id, "c2");
  EXPECT_EQ(m[4].tool_name, "sum");
  EXPECT_EQ(m[4].content, "3");
}

TEST(OpenAiChat, ImagesAreKeptForTheModelToRefuse) {
  const auto with = [](const std::string& url) {
    return R"({"model":"m","messages":[{"role":"user","content":[{"type":"image_url",)"
           R"("image_url":{"url":")" +
           url + R"("}}]}]})";
  };
  const auto request = ParseOpenAiChat(with("data:image/png;base64,iVBORw0="));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_TRUE(request->turn.messages[0].has_images);
  EXPECT_EQ(ErrorOf(with("https://example.com/a.png")),
            "image URLs are not currently supported, please use base64 encoded data instead");
  for (const char* const bad :
       {"file:///etc/passwd", "data:image/gif;base64,iVBO", "data:image/png;base64,a", ""}) {
    EXPECT_EQ(ErrorOf(with(bad)), "invalid image input") << bad;
  }
}

TEST(OpenAiChat, Tools) {
  const OpenAiChatRequest request = Parsed(std::string(",") + kTools);
  EXPECT_EQ(request.turn.tools_json,
            R"([{"type":"function","function":{"name":"add","description":"Adds.",)"
            R"("parameters":{"type":"object","properties":{"a":{"type":"number"}}}}},)"
            R"({"type":"function","function":{"name":"now",)"
            R"("parameters":{"type":"object","properties":{}}}}])");
  EXPECT_EQ(request.turn.tool_choice.kind, ToolChoice::Kind::kAuto);
  const auto choice = [](const std::string& text) {
    return Parsed(std::string(",") + kTools + R"(,"tool_choice":)" + text).turn.tool_choice;
  };
  EXPECT_EQ(choice(R"("none")").kind, ToolChoice::Kind::kNone);
  EXPECT_EQ(choice(R"("required")").kind, ToolChoice::Kind::kRequired);
  EXPECT_EQ(choice(R"("auto")").kind, ToolChoice::Kind::kAuto);
  const ToolChoice named = choice(R"({"type":"function","function":{"name":"now"}})");
  EXPECT_EQ(named.kind, ToolChoice::Kind::kNamed);
  EXPECT_EQ(named.name, "now");
}

TEST(OpenAiChat, ToolChoicesThatCannotBeMet) {
  EXPECT_EQ(ErrorWith(R"("tool_choice":"required")"),
            "\"tool_choice\" asks for a call, but there are no tools");
  EXPECT_EQ(ErrorWith(std::string(kTools) +
                      R"(,"tool_choice":{"type":"function","function":{"name":"sub"}})"),
            "\"tool_choice\" names the function \"sub\", which is not among the tools");
  EXPECT_THAT(ErrorWith(R"("tool_choice":"often")"), HasSubstr("\"tool_choice\" must be"));
  EXPECT_THAT(ErrorWith(R"("tool_choice":7)"), HasSubstr("\"tool_choice\" must be an object"));
  EXPECT_EQ(Parsed(R"(,"tool_choice":"none")").turn.tool_choice.kind, ToolChoice::Kind::kNone);
}

TEST(OpenAiChat, Formats) {
  EXPECT_EQ(Parsed(R"(,"response_format":{"type":"text"})").turn.format.kind, Format::Kind::kNone);
  EXPECT_EQ(Parsed(R"(,"response_format":{"type":"json_object"})").turn.format.kind,
            Format::Kind::kJson);
  const Format format =
      Parsed(R"(,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":)"
             R"({"type":"object"}}})")
          .turn.format;
  EXPECT_EQ(format.kind, Format::Kind::kSchema);
  EXPECT_EQ(format.schema_json, R"({"type":"object"})");
  EXPECT_EQ(ErrorWith(R"("response_format":{"type":"json_schema"})"),
            "\"response_format.json_schema\" is required");
  EXPECT_THAT(ErrorWith(R"("response_format":{"type":"xml"})"),
              HasSubstr("\"response_format.type\" must be"));
}

TEST(OpenAiChat, ErrorsNameTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "missing request body"},
      {"[]", "the request body must be a JSON object"},
      {R"({"messages":[{"role":"user","content":"x"}]})", "model is required"},
      {R"({"model":"m"})", "[] is too short - 'messages'"},
      {R"({"model":"m","messages":[]})", "[] is too short - 'messages'"},
      {R"({"model":"m","messages":[7]})", "\"messages[0]\" must be an object"},
      {R"({"model":"m","messages":[{"role":"user"}]})", "\"messages[0].content\" is required"},
      {R"({"model":"m","messages":[{"role":"user","content":7}]})",
       "\"messages[0].content\" must be a string or an array of parts"},
      {R"({"model":"m","messages":[{"role":"judge","content":"x"}]})",
       "\"messages[0].role\" must be system, developer, user, assistant or tool"},
      {R"({"model":"m","messages":[{"role":"user","content":[{"type":"input_audio"}]}]})",
       "\"messages[0].content[0].type\" must be \"text\" or \"image_url\""},
      {R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":)"
       R"({"name":"f","arguments":"[1]"}}]}]})",
       "invalid tool call arguments"},
  };
  for (const auto& [body, message] : cases) EXPECT_EQ(ErrorOf(body), message) << body;
  const std::pair<const char*, const char*> fields[] = {
      {R"("n":0)", "\"n\" must be between 1 and 16"},
      {R"("n":17)", "\"n\" must be between 1 and 16"},
      {R"("top_logprobs":21,"logprobs":true)", "top_logprobs must be between 0 and 20"},
      {R"("top_logprobs":2)", "\"top_logprobs\" needs \"logprobs\": true"},
      {R"("temperature":"hot")", "\"temperature\" must be a number that a float32 can hold"},
      {R"("temperature":1e300)", "\"temperature\" must be a number that a float32 can hold"},
      {R"("seed":1.5)", "\"seed\" must be an integer"},
      {R"("stop":7)", "\"stop\" must be a string or an array of strings"},
      {R"("stop":["a",7])", "\"stop\" must be an array of strings"},
      {R"("stream":"yes")", "\"stream\" must be true or false"},
      {R"("logit_bias":{"a":1})", "\"logit_bias\" must have token ids as its keys"},
      {R"("logit_bias":{"-1":1})", "\"logit_bias\" must have token ids as its keys"},
      {R"("logit_bias":{"99999999999":1})", "\"logit_bias\" must have token ids as its keys"},
      {R"("logit_bias":{"1":101})", "\"logit_bias\" must have values between -100 and 100"},
      {R"("tools":[{"type":"web_search"}])", "\"tools[0].type\" must be \"function\""},
      {R"("tools":[{"type":"function","function":{}}])", "\"tools[0].function.name\" is required"},
      {R"("functions":[])", "\"functions\" is not supported: use \"tools\" and \"tool_choice\""},
  };
  for (const auto& [field, message] : fields) EXPECT_EQ(ErrorWith(field), message) << field;
}

}  // namespace
}  // namespace axollama::api
