#include "server/turn_style.h"

#include <gtest/gtest.h>

#include <memory>

#include "server/turn_reply.h"

namespace axollama::server {
namespace {

constexpr const char* kPlain = "{{ messages[0].content }}";
constexpr const char* kTools =
    "{% if tools %}{{ tools }}{% endif %}<tool_call></tool_call>{{ messages[0].tool_calls }}";
constexpr const char* kThinking =
    "{% if enable_thinking %}<think></think>{% endif %}<tool_call></tool_call>{{ tools }}";
constexpr const char* kTool =
    R"([{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}])";

ServedModel Model(const char* chat_template) {
  ServedModel model;
  auto bundle = std::make_shared<bundle::Bundle>();
  bundle->model_type = "llama";
  bundle->chat_template = chat_template;
  model.bundle = bundle;
  return model;
}

api::Turn Ask() {
  api::Turn turn;
  turn.model = "m";
  turn.messages.emplace_back().role = "user";
  return turn;
}

TEST(TurnStyle, WhatAModelCannotDoIsSaidInOllamasWords) {
  api::Turn turn = Ask();
  EXPECT_TRUE(CheckTurn(Model(kPlain), turn));
  turn.think = api::Think::kOff;
  EXPECT_TRUE(CheckTurn(Model(kPlain), turn));
  turn.think = api::Think::kHigh;
  EXPECT_TRUE(CheckTurn(Model(kThinking), turn));
  EXPECT_EQ(CheckTurn(Model(kPlain), turn).error().message, "\"m\" does not support thinking");
  turn.think_if_able = true;
  EXPECT_TRUE(CheckTurn(Model(kPlain), turn));
  EXPECT_FALSE(StyleOf(Model(kPlain), turn).thinks);
  turn.tools_json = kTool;
  EXPECT_TRUE(CheckTurn(Model(kTools), turn));
  EXPECT_EQ(CheckTurn(Model(kPlain), turn).error().message,
            "registry.ollama.ai/library/m:latest does not support tools");
  turn = Ask();
  turn.messages[0].has_images = true;
  const Status images = CheckTurn(Model(kTools), turn);
  EXPECT_EQ(images.error().message, "registry.ollama.ai/library/m:latest does not support vision");
  EXPECT_EQ(images.error().kind, ErrorKind::kInvalid);
}

TEST(TurnStyle, WhatIsInUse) {
  api::Turn turn = Ask();
  EXPECT_TRUE(StyleOf(Model(kThinking), turn).thinks);
  EXPECT_FALSE(StyleOf(Model(kThinking), turn).calls);
  turn.think = api::Think::kOff;
  turn.tools_json = kTool;
  EXPECT_FALSE(StyleOf(Model(kThinking), turn).thinks);
  EXPECT_TRUE(StyleOf(Model(kThinking), turn).calls);
  EXPECT_FALSE(Constrained(turn, StyleOf(Model(kThinking), turn)));
  turn.tool_choice.kind = api::ToolChoice::Kind::kNone;
  EXPECT_FALSE(StyleOf(Model(kThinking), turn).calls);
  turn.tool_choice.kind = api::ToolChoice::Kind::kRequired;
  EXPECT_TRUE(StyleOf(Model(kThinking), turn).must_call);
  EXPECT_TRUE(Constrained(turn, StyleOf(Model(kThinking), turn)));
  turn = {};
  turn.plain.emplace().raw = true;
  EXPECT_FALSE(StyleOf(Model(kThinking), turn).thinks);
  EXPECT_TRUE(StyleOf(Model(kThinking), turn).written_out);
  turn.plain->raw = false;
  turn.format.kind = api::Format::Kind::kJson;
  EXPECT_TRUE(Constrained(turn, StyleOf(Model(kThinking), turn)));
}

TEST(TurnStyle, WhatStandsInTheMiddle) {
  api::Turn turn;
  turn.model = "m";
  turn.plain.emplace().suffix = "}";
  EXPECT_EQ(CheckTurn(Model(kPlain), turn).error().message,
            "registry.ollama.ai/library/m:latest does not support insert");
  ServedModel model = Model(kThinking);
  auto bundle = std::make_shared<bundle::Bundle>(*model.bundle);
  bundle->insert = {"<PRE>", "<SUF>", "<MID>", {}};
  model.bundle = bundle;
  EXPECT_TRUE(CheckTurn(model, turn));
  EXPECT_TRUE(StyleOf(model, turn).inserts);
  EXPECT_FALSE(StyleOf(model, turn).thinks);
}

TEST(TurnStyle, AGoTemplateTakesTheBundlesPlace) {
  api::Turn turn;
  turn.model = "m";
  turn.plain.emplace().prompt = "p";
  ServedModel model = Model("");
  EXPECT_TRUE(StyleOf(model, turn).written_out);
  turn.plain->go_template = "{{ .Prompt }}!";
  EXPECT_FALSE(StyleOf(model, turn).written_out);
  EXPECT_EQ(StyleOf(model, turn).go_template, "{{ .Prompt }}!");
  turn.plain->go_template.reset();
  model.go_template = "{{ .Prompt }}{{ .Suffix }}{{ .Tools }}";
  turn.plain->suffix = "s";
  EXPECT_TRUE(CheckTurn(model, turn));
  EXPECT_FALSE(StyleOf(model, turn).inserts_by_marks);
  EXPECT_TRUE(StyleOf(model, turn).can.tools);
}

TEST(TurnReply, TellsApartAndNamesCalls) {
  api::Turn turn = Ask();
  turn.tools_json = kTool;
  const TurnStyle style = StyleOf(Model(kThinking), turn);
  const std::string answer =
      "<think>hm</think>ok<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>";
  TurnReply reply(style, false, *dialect::ReadTools(turn.tools_json));
  api::Piece whole;
  for (const char c : answer) {
    api::Piece piece = reply.Take(std::string(1, c), {{std::string(1, c), -1, {}}}, false);
    EXPECT_TRUE(IsEmpty(piece) || !piece.logprobs.empty());
    Append(std::move(piece), &whole);
  }
  Append(reply.Take("", {}, true), &whole);
  EXPECT_EQ(whole.thinking, "hm");
  EXPECT_EQ(whole.content, "ok");
  EXPECT_EQ(whole.logprobs.size(), answer.size());
  ASSERT_EQ(whole.calls.size(), 1u);
  EXPECT_EQ(reply.calls(), 1);
  EXPECT_EQ(whole.calls[0].name, "f");
  EXPECT_EQ(whole.calls[0].arguments_json, "{\"a\": 1}");
  EXPECT_EQ(whole.calls[0].id.size(), 13u);
  EXPECT_TRUE(whole.calls[0].id.starts_with("call_"));
  std::string arguments;
  int named = 0;
  for (const api::ToolCallDelta& delta : whole.call_deltas) {
    arguments += delta.arguments;
    if (delta.name.empty()) continue;
    ++named;
    EXPECT_EQ(delta.id, whole.calls[0].id);
  }
  EXPECT_EQ(named, 1);
  EXPECT_EQ(arguments, whole.calls[0].arguments_json);
}

TEST(TurnReply, WithoutThinkingAndToolsTextIsText) {
  TurnReply reply(StyleOf(Model(kPlain), Ask()), false, {});
  EXPECT_EQ(reply.Take("<think>a", {}, false).content, "<think>a");
  EXPECT_EQ(reply.Take("", {}, false).content, "");
  const api::Piece last = reply.Take("", {{"x", -1, {}}}, true);
  EXPECT_EQ(last.logprobs.size(), 1u);
}

}  // namespace
}  // namespace axollama::server
