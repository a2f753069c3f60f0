#include "dialect/dialect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace axollama::dialect {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

TEST(Dialect, TheTemplateDecides) {
  EXPECT_EQ(Choose("...<tool_call>\n{\"name\": <function-name>...", "").name, "hermes");
  EXPECT_EQ(Choose("<tool_call>[\n{\"name\": \"func_name1\"", "llama").name, "smollm2");
  EXPECT_EQ(Choose("<tool_call>\n<function=example>", "").name, "qwen3-coder");
  EXPECT_EQ(Choose("'<|start_header_id|>' '<|python_tag|>'", "").name, "llama3");
  EXPECT_EQ(Choose("[AVAILABLE_TOOLS] [TOOL_CALLS]", "").name, "mistral");
  EXPECT_EQ(Choose("[TOOL_CALLS]' + name + '[ARGS]", "").name, "mistral-args");
  EXPECT_EQ(Choose("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>", "qwen2").name, "deepseek");
  EXPECT_EQ(Choose("<|tool_call|>", "").name, "phi4");
  EXPECT_EQ(Choose("<start_of_turn>", "").name, "gemma");
  EXPECT_EQ(Choose("{{ .Prompt }}", "").name, "generic");
}

TEST(Dialect, TheFamilyDecidesWhereTheTemplateTellsNothing) {
  EXPECT_EQ(Choose("", "qwen3").name, "hermes");
  EXPECT_EQ(Choose("", "llama").name, "llama3");
  EXPECT_EQ(Choose("", "gemma3_text").name, "gemma");
  EXPECT_TRUE(Choose("<|im_start|>", "qwen3").thinks());
  EXPECT_FALSE(Choose("<|im_start|>", "qwen2").thinks());
}

TEST(Dialect, ThinkingMarks) {
  EXPECT_EQ(Choose("content.split('</think>')[-1]", "").think_open, "<think>");
  EXPECT_EQ(Choose("[THINK] [/THINK]", "").think_close, "[/THINK]");
  EXPECT_FALSE(Choose("<tool_call>", "").thinks());
}

TEST(Dialect, PromptsThatEndInThinking) {
  const Dialect qwen3 = Choose("<think> </think>", "");
  EXPECT_TRUE(EndsInThinking(qwen3, "<|im_start|>assistant\n<think>\n"));
  EXPECT_FALSE(EndsInThinking(qwen3, "<|im_start|>assistant\n<think>\n\n</think>\n\n"));
  EXPECT_FALSE(EndsInThinking(Choose("", ""), "<think>"));
}

TEST(Dialect, ThinkingIsTurnedOffWhereTheTemplateCannot) {
  const Dialect always = Choose("<think> </think>", "");
  EXPECT_EQ(WithoutThinking(always, "assistant\n"), "<think>\n\n</think>\n\n");
  EXPECT_EQ(WithoutThinking(always, "assistant\n<think>\n"), "\n</think>\n\n");
  EXPECT_EQ(WithoutThinking(always, "assistant\n<think>"), "\n\n</think>\n\n");
  EXPECT_EQ(WithoutThinking(always, "assistant\n<think>\n\n</think>\n\n"), "");
  const Dialect switched = Choose("{% if enable_thinking is false %}<think>\n\n</think>", "");
  EXPECT_EQ(WithoutThinking(switched, "assistant\n"), "");
  EXPECT_EQ(WithoutThinking(Choose("<tool_call>", ""), "assistant\n"), "");
}

TEST(Dialect, MarksAreAskedForOfTheTokenizer) {
  EXPECT_THAT(Marks(Choose("[TOOL_CALLS] [ARGS] [/THINK]", "")),
              ElementsAre("[THINK]", "[/THINK]", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"));
  EXPECT_THAT(Marks(Choose("<start_of_turn>", "")), Not(Contains("```")));
}

// As Ollama's server/images.go decides.
TEST(Capabilities, OfJinja) {
  EXPECT_TRUE(OfJinja("{% if tools %}", "").tools);
  EXPECT_TRUE(OfJinja("<tool_call>", "").tools);
  EXPECT_FALSE(OfJinja("{% for message in messages %}", "").tools);
  EXPECT_TRUE(OfJinja("'<think>' '</think>'", "").thinking);
  EXPECT_TRUE(OfJinja("content.split('</think>')[-1]", "").thinking);
  EXPECT_FALSE(OfJinja("content.split('</think>')[-1] reasoning_content", "").thinking);
  EXPECT_FALSE(OfJinja("</think>", "").thinking);
  EXPECT_TRUE(OfJinja("", "qwen3").thinking);
  EXPECT_FALSE(OfJinja(".Suffix", "").insert);
}

TEST(Capabilities, OfGo) {
  const Capabilities all = OfGo("{{ .Suffix }}{{ .Tools }}<think>{{ .Thinking }}</think>", "");
  EXPECT_TRUE(all.tools && all.thinking && all.insert);
  const Capabilities none = OfGo("{{ .Prompt }}<think></think>", "");
  EXPECT_FALSE(none.tools || none.thinking || none.insert);
}

}  // namespace
}  // namespace axollama::dialect
