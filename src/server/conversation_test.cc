#include "server/conversation.h"

#include <gtest/gtest.h>

namespace axollama::server {
namespace {

api::Message Say(const char* role, const char* content) {
  api::Message message;
  message.role = role;
  message.content = content;
  return message;
}

std::string Text(const std::vector<api::Message>& messages) {
  std::string text;
  for (const api::Message& m : messages) text += m.role.substr(0, 1) + ":" + m.content + " ";
  return text;
}

ServedModel Model(const char* type = "llama", const char* name = "m:latest") {
  ServedModel model;
  auto bundle = std::make_shared<bundle::Bundle>();
  bundle->model_type = type;
  model.bundle = bundle;
  model.ref.name = name;
  return model;
}

TEST(Conversation, TheModelsTextsComeFirst) {
  ServedModel model = Model();
  api::Turn turn;
  turn.messages = {Say("user", "hi")};
  EXPECT_EQ(Text(Conversation(model, turn)), "u:hi ");
  model.system = "be brief";
  model.messages = {Say("user", "a"), Say("assistant", "b")};
  EXPECT_EQ(Text(Conversation(model, turn)), "s:be brief u:a a:b u:hi ");
  turn.messages.insert(turn.messages.begin(), Say("system", "own"));
  EXPECT_EQ(Text(Conversation(model, turn)), "u:a a:b s:own u:hi ");
}

TEST(Conversation, APromptIsTheUsersMessage) {
  ServedModel model = Model();
  model.system = "be brief";
  model.messages = {Say("user", "a"), Say("assistant", "b")};
  api::Turn turn;
  turn.plain.emplace().prompt = "hi";
  EXPECT_EQ(Text(Conversation(model, turn)), "s:be brief u:a a:b u:hi ");
  turn.plain->system = "own";
  turn.plain->context = {1};
  EXPECT_EQ(Text(Conversation(model, turn)), "s:own u:hi ");
}

TEST(Conversation, OldThoughtsAreTakenOut) {
  api::Turn turn;
  turn.messages = {Say("user", "q"), Say("assistant", "<think>x</think>\n\none"), Say("user", "r"),
                   Say("assistant", "<think>y</think>two")};
  EXPECT_EQ(Text(Conversation(Model("qwen3"), turn)), "u:q a:one u:r a:<think>y</think>two ");
  EXPECT_EQ(Text(Conversation(Model("qwen2", "deepseek-r1:1.5b"), turn)),
            "u:q a:one u:r a:<think>y</think>two ");
  EXPECT_EQ(Conversation(Model(), turn)[1].content, turn.messages[1].content);
}

TEST(Conversation, AThoughtIsAtTheBegin) {
  EXPECT_EQ(WithoutThought(" <think>a</think> b"), "b");
  EXPECT_EQ(WithoutThought("<think>a</think>"), "");
  EXPECT_EQ(WithoutThought("<think>a"), "");
  EXPECT_EQ(WithoutThought(" x <think>a</think>"), " x <think>a</think>");
  EXPECT_EQ(WithoutThought("<thi"), "<thi");
  EXPECT_EQ(WithoutThought(""), "");
}

}  // namespace
}  // namespace axollama::server
