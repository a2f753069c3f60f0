// The built-in templates with tools and thinking, and the grammars of required calls on a real
// tokenizer: what a model may write under them is read as complete calls.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "bundle/builtin_templates.h"
#include "dialect/messages.h"
#include "dialect/parser.h"
#include "dialect/required_tools.h"
#include "text/chat_template.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace axollama {
namespace {

using testing::HasSubstr;

constexpr std::string_view kTools =
    R"([{"type":"function","function":{"name":"get_weather","description":"Tells it.",)"
    R"("parameters":{"type":"object","properties":{"city":{"type":"string","enum":["Bonn","Rome"]},)"
    R"("days":{"type":"integer","minimum":1,"maximum":7}},"required":["city","days"]}}},)"
    R"({"type":"function","function":{"name":"stop_all","parameters":)"
    R"({"type":"object","properties":{}}}}])";

std::string_view Builtin(std::vector<std::string> tokens) {
  std::map<std::string, int32_t, std::less<>> map;
  for (const std::string& token : tokens) map.emplace(token, static_cast<int32_t>(map.size()));
  return bundle::FindBuiltinTemplate(map).source;
}

std::string Render(std::string_view source, std::string_view messages, std::string_view tools,
                   const json::Object& more = {}) {
  const auto compiled = text::ChatTemplate::Compile(source);
  if (!compiled) return compiled.error().message;
  json::Object context{{"messages", dialect::ForTemplate(dialect::Choose(source, ""),
                                                         json::Parse(messages)->get_array())},
                       {"tools", tools.empty() ? json::Value() : *json::Parse(tools)},
                       {"bos_token", "<s>"},
                       {"add_generation_prompt", true}};
  for (const auto& [key, value] : more) context[key] = value;
  const auto text = (*compiled)->Render(json::Write(context));
  return text ? *text : text.error().message;
}

constexpr std::string_view kConversation =
    R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Hot?"},)"
    R"({"role":"assistant","content":"","tool_calls":[{"id":"1","type":"function","function":)"
    R"({"name":"get_weather","arguments":{"city":"Bonn","days":1}}},{"id":"2","type":"function",)"
    R"("function":{"name":"stop_all","arguments":{}}}]},)"
    R"({"role":"tool","content":"20","tool_call_id":"1"},{"role":"tool","content":"ok"}])";

TEST(BuiltinTemplates, QwenWithTools) {
  const std::string_view source = Builtin({"<|im_start|>", "<tool_call>", "<think>"});
  const dialect::Capabilities can = dialect::OfJinja(source, "");
  EXPECT_TRUE(can.tools && can.thinking);
  EXPECT_TRUE(dialect::Choose(source, "").template_switches_thinking);
  const std::string text = Render(source, kConversation, kTools);
  EXPECT_THAT(text, testing::StartsWith("<|im_start|>system\nBe brief.\n\n# Tools\n\n"));
  EXPECT_THAT(text, HasSubstr("\n<tools>\n{\"type\": \"function\", \"function\": {\"name\": "
                              "\"get_weather\", \"description\": \"Tells it.\""));
  EXPECT_THAT(text,
              testing::EndsWith(
                  "<|im_start|>user\nHot?<|im_end|>\n<|im_start|>assistant\n<tool_call>\n"
                  "{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Bonn\", \"days\": 1}}\n"
                  "</tool_call>\n<tool_call>\n{\"name\": \"stop_all\", \"arguments\": {}}\n"
                  "</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\n20\n"
                  "</tool_response>\n<tool_response>\nok\n</tool_response><|im_end|>\n"
                  "<|im_start|>assistant\n"));
  constexpr std::string_view kHi = R"([{"role":"user","content":"Hi"}])";
  EXPECT_EQ(Render(source, kHi, "", {{"enable_thinking", false}}),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n");
  const std::string_view plain = Builtin({"<|im_start|>", "<tool_call>"});
  EXPECT_FALSE(dialect::OfJinja(plain, "").thinking);
  EXPECT_EQ(Render(plain, kHi, "", {{"enable_thinking", false}}),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(BuiltinTemplates, DeepSeekAlwaysThinks) {
  const std::string_view source = Builtin({"<｜User｜>", "<think>"});
  const std::string text =
      Render(source,
             R"([{"role":"system","content":"S"},{"role":"user","content":"a"},)"
             R"({"role":"assistant","content":"<think>x</think>b"},{"role":"user","content":"c"}])",
             "");
  EXPECT_EQ(
      text,
      "<s>S<｜User｜>a<｜Assistant｜>b<｜end▁of▁sentence｜><｜User｜>c<｜Assistant｜><think>\n");
  const dialect::Dialect dialect = dialect::Choose(source, "");
  EXPECT_TRUE(dialect::EndsInThinking(dialect, text));
  EXPECT_EQ(dialect::WithoutThinking(dialect, text), "\n</think>\n\n");
}

// Takes the grammar's first allowed token until nothing but the end may come.
std::string Write(const text::Tokenizer& tokenizer, text::Grammar* grammar) {
  std::string text;
  std::vector<uint32_t> mask((tokenizer.vocab_size() + 31) / 32);
  for (int i = 0; i < 400 && !grammar->complete(); ++i) {
    EXPECT_TRUE(grammar->Mask(mask));
    int32_t token = 0;
    const int32_t size = static_cast<int32_t>(tokenizer.vocab_size());
    // The highest id that is text: words instead of letters.
    for (token = size - 1; token >= 0; --token) {
      const bool allowed = (mask[static_cast<size_t>(token) / 32] >> (token % 32) & 1) != 0;
      if (allowed && !tokenizer.IsSpecial(token)) break;
    }
    if (token < 0) return text;
    EXPECT_TRUE(grammar->Accept(token));
    text += *tokenizer.TokenBytes(token, true);
  }
  return text;
}

TEST(RequiredTools, EachDialectsGrammarGivesCompleteCalls) {
  ASSERT_NE(getenv("AX_TEST_MODELS"), nullptr) << "set it to the folder of the test models";
  const std::filesystem::path folder =
      std::filesystem::path(getenv("AX_TEST_MODELS")) / "smollm2" / "135m";
  const auto tokenizer = text::Tokenizer::Load(folder / "tokenizer.json");
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  constexpr int32_t kEnds[] = {2};
  const auto grammars = (*tokenizer)->MakeGrammars((*tokenizer)->vocab_size(), kEnds);
  ASSERT_TRUE(grammars) << grammars.error().message;
  const std::vector<dialect::Tool> tools = dialect::ReadTools(kTools).value();
  for (const std::string_view words :
       {"<tool_call>", "<tool_call>[", "<tool_call> <function=", "<|start_header_id|>",
        "[TOOL_CALLS]", "[TOOL_CALLS] [ARGS]", "<｜tool▁call▁begin｜>", "<|tool_call|>",
        "<start_of_turn>", "nothing"}) {
    const dialect::Dialect dialect = dialect::Choose(words, "");
    for (const std::string_view only : {"get_weather", "stop_all"}) {
      const auto grammar =
          dialect::RequiredToolsGrammar(dialect, tools, {.only = only, .parallel = false}, {});
      ASSERT_TRUE(grammar) << grammar.error().message;
      const auto compiled = (*grammars)->Compile(text::GrammarKind::kLark, *grammar);
      ASSERT_TRUE(compiled) << compiled.error().message;
      const std::string text = Write(**tokenizer, compiled->get());
      dialect::Parser parser(dialect, {.tools = tools});
      dialect::Output out;
      parser.Push(text, &out);
      parser.Finish(&out);
      EXPECT_EQ(out.content, "") << words;
      ASSERT_EQ(out.calls.size(), 1) << words << ": " << text;
      EXPECT_EQ(out.calls[0].name, only);
      const json::Object arguments = json::ParseObject(out.calls[0].arguments, "it").value();
      EXPECT_EQ(arguments.size(), only == "get_weather" ? 2 : 0) << text;
    }
  }
}

}  // namespace
}  // namespace axollama
