#include "dialect/messages.h"

#include <gtest/gtest.h>

#include <string>

namespace axollama::dialect {
namespace {

std::string Rewrite(std::string_view words, std::string_view messages) {
  const json::Value value = json::Parse(messages).value();
  return json::Write(ForTemplate(Choose(words, ""), value.get_array()));
}

constexpr std::string_view kTwoCalls =
    R"([{"role":"user","content":"q"},)"
    R"({"role":"assistant","content":"c","reasoning_content":"r","tool_calls":[)"
    R"({"id":"x1","type":"function","function":{"name":"f","arguments":{"a":1}}},)"
    R"({"id":"x2","type":"function","function":{"name":"g","arguments":{}}}]},)"
    R"({"role":"tool","content":"of g","tool_call_id":"x2"},)"
    R"({"role":"tool","content":"of f","tool_call_id":"x1"}])";

TEST(Messages, PlainOnesStayAsTheyAre) {
  constexpr std::string_view plain =
      R"([{"role":"system","content":"s"},{"role":"user","content":"q"}])";
  EXPECT_EQ(Rewrite("<tool_call>", plain), plain);
  EXPECT_EQ(Rewrite("", R"([{"role":"assistant","content":"a","tool_calls":[]}])"),
            R"([{"role":"assistant","content":"a"}])");
}

TEST(Messages, AnswersGetTheNameOfTheirCall) {
  EXPECT_EQ(Rewrite("<tool_call>", kTwoCalls),
            R"([{"role":"user","content":"q"},)"
            R"({"role":"assistant","content":"c","reasoning_content":"r","tool_calls":[)"
            R"({"id":"x1","type":"function","function":{"name":"f","arguments":{"a":1}}},)"
            R"({"id":"x2","type":"function","function":{"name":"g","arguments":{}}}]},)"
            R"({"role":"tool","content":"of g","tool_call_id":"x2","name":"g"},)"
            R"({"role":"tool","content":"of f","tool_call_id":"x1","name":"f"}])");
}

TEST(Messages, WithoutIdsTheOrderCounts) {
  EXPECT_EQ(Rewrite("<tool_call>", R"([{"role":"assistant","content":"","tool_calls":[)"
                                   R"({"function":{"name":"f"}},{"function":{"name":"g"}}]},)"
                                   R"({"role":"tool","content":"1"},{"role":"tool","content":"2"},)"
                                   R"({"role":"tool","content":"3"}])"),
            R"([{"role":"assistant","content":"","tool_calls":[)"
            R"({"function":{"name":"f","arguments":{}},"id":"call_00000000"},)"
            R"({"function":{"name":"g","arguments":{}},"id":"call_00000001"}]},)"
            R"({"role":"tool","content":"1","tool_call_id":"call_00000000","name":"f"},)"
            R"({"role":"tool","content":"2","tool_call_id":"call_00000001","name":"g"},)"
            R"({"role":"tool","content":"3"}])");
}

TEST(Messages, OneCallInAMessageWhereTheTemplateTakesNoMore) {
  EXPECT_EQ(Rewrite("<|start_header_id|>", kTwoCalls),
            R"([{"role":"user","content":"q"},)"
            R"({"role":"assistant","content":"","tool_calls":[)"
            R"({"id":"x2","type":"function","function":{"name":"g","arguments":{}}}]},)"
            R"({"role":"tool","content":"of g","tool_call_id":"x2","name":"g"},)"
            R"({"role":"assistant","content":"c","reasoning_content":"r","tool_calls":[)"
            R"({"id":"x1","type":"function","function":{"name":"f","arguments":{"a":1}}}]},)"
            R"({"role":"tool","content":"of f","tool_call_id":"x1","name":"f"}])");
  EXPECT_EQ(Rewrite("<|start_header_id|>",
                    R"([{"role":"assistant","content":"","tool_calls":[)"
                    R"({"id":"1","function":{"name":"f"}},{"id":"2","function":{"name":"g"}}]}])"),
            R"([{"role":"assistant","content":"","tool_calls":[)"
            R"({"id":"1","function":{"name":"f","arguments":{}}}]},)"
            R"({"role":"assistant","content":"","tool_calls":[)"
            R"({"id":"2","function":{"name":"g","arguments":{}}}]}])");
}

TEST(Messages, IdsOfALength) {
  const json::Value messages = json::Parse(kTwoCalls).value();
  const json::Array out = ForTemplate(Choose("[TOOL_CALLS]", ""), messages.get_array());
  const json::Value& first = out[1].at("tool_calls").at(0).at("id");
  const json::Value& second = out[1].at("tool_calls").at(1).at("id");
  EXPECT_EQ(first.get_string().size(), 9);
  EXPECT_NE(first, second);
  EXPECT_EQ(out[2].at("tool_call_id"), second);
  EXPECT_EQ(out[3].at("tool_call_id"), first);
  EXPECT_EQ(Rewrite("[TOOL_CALLS]", R"([{"role":"tool","tool_call_id":"abcDEF123"}])"),
            R"([{"role":"tool","tool_call_id":"abcDEF123"}])");
}

TEST(Messages, ArgumentsAsText) {
  EXPECT_EQ(Rewrite("<｜tool▁call▁begin｜>",
                    R"([{"role":"assistant","content":"","tool_calls":[)"
                    R"({"id":"1","function":{"name":"f","arguments":{"a":1}}}]}])"),
            R"([{"role":"assistant","content":"","tool_calls":[)"
            R"({"id":"1","function":{"name":"f","arguments":"{\"a\":1}"}}]}])");
}

}  // namespace
}  // namespace axollama::dialect
