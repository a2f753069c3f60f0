#include "dialect/required_tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dialect/parser.h"

namespace axollama::dialect {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<Tool> Tools() {
  return ReadTools(R"([{"type":"function","function":{"name":"f","parameters":{"type":"object",)"
                   R"("properties":{"a":{"type":"integer"}},"required":["a"]}}},)"
                   R"({"type":"function","function":{"name":"g"}}])")
      .value();
}

std::string Grammar(std::string_view words, const RequiredTools& required,
                    std::vector<MarkToken> marks = {}) {
  const auto grammar = RequiredToolsGrammar(Choose(words, ""), Tools(), required, marks);
  return grammar ? *grammar : "error: " + grammar.error().message;
}

constexpr std::string_view kSpacing =
    R"("x-guidance":{"whitespace_flexible":false,"item_separator":", ","key_separator":": "})";

TEST(RequiredTools, OneCallOfAnyTool) {
  EXPECT_EQ(Grammar("<tool_call>", {.parallel = false}),
            R"(%llguidance {}
start: call
call: c0 | c1
c0: "<tool_call>\n{\"name\": \"" "f\", \"arguments\": " a0 "}\n</tool_call>"
a0: %json {"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],)"
            R"("additionalProperties":false,)" +
                std::string(kSpacing) + R"(}
c1: "<tool_call>\n{\"name\": \"" "g\", \"arguments\": " a1 "}\n</tool_call>"
a1: %json {"type":"object",)" +
                std::string(kSpacing) + "}\n");
}

TEST(RequiredTools, SeveralCalls) {
  EXPECT_THAT(Grammar("<tool_call>", {}), HasSubstr("start: call ( \"\\n\" call)*\n"));
  EXPECT_THAT(Grammar("[TOOL_CALLS]", {}),
              HasSubstr("start: \"[TOOL_CALLS][\" call ( \", \" call)* \"]\"\n"));
  EXPECT_THAT(Grammar("[TOOL_CALLS] [ARGS]", {}), HasSubstr("start: call ( call)*\n"));
}

TEST(RequiredTools, JsonInsteadOfCalls) {
  EXPECT_THAT(Grammar("<tool_call>", {.or_json = R"({"type":"object"})"}),
              testing::StartsWith("%llguidance {}\nstart: calls | json\njson: %json "
                                  "{\"type\":\"object\"}\ncalls: call ( \"\\n\" call)*\n"));
}

TEST(RequiredTools, OneNamedTool) {
  const std::string grammar = Grammar("<|start_header_id|>", {.only = "g"});
  EXPECT_THAT(grammar, HasSubstr("call: c1\nc1: \"{\\\"name\\\": \\\"\" \"g\\\", \\\"parameters"));
  EXPECT_THAT(grammar, Not(HasSubstr("c0")));
  EXPECT_EQ(Grammar("", {.only = "h"}), R"(error: no tool is called "h", which must be called)");
}

TEST(RequiredTools, MarksThatAreTokensAreCalledByTheirIds) {
  EXPECT_THAT(Grammar("[TOOL_CALLS] [ARGS]", {.only = "f"}, {{"[ARGS]", 32}, {"[TOOL_CALLS]", 9}}),
              HasSubstr("c0: <[9]> \"f\" <[32]> a0\n"));
}

TEST(RequiredTools, NamesAreQuotedAsTheDialectWants) {
  std::vector<Tool> tools = {{"a\"b\n", {}}};
  const auto quoted = RequiredToolsGrammar(Choose("<tool_call>", ""), tools, {}, {});
  ASSERT_TRUE(quoted);
  EXPECT_THAT(*quoted, HasSubstr(R"( "a\\\"b\\n\", \"arguments\": " )"));
  EXPECT_FALSE(RequiredToolsGrammar(Choose("[TOOL_CALLS] [ARGS]", ""), tools, {}, {}));
  EXPECT_FALSE(RequiredToolsGrammar(Choose("", ""), {}, {}, {}));
}

// What the table says is written is what the table says is read.
TEST(RequiredTools, EveryDialectReadsWhatItWrites) {
  for (const std::string_view words :
       {"<tool_call>", "<tool_call>[", "<tool_call> <function=", "<|start_header_id|>",
        "[TOOL_CALLS]", "[TOOL_CALLS] [ARGS]", "<｜tool▁call▁begin｜>", "<|tool_call|>",
        "<start_of_turn>", "nothing"}) {
    const Dialect dialect = Choose(words, "");
    const CallWriting& w = dialect.writing;
    std::string text(w.list_open);
    for (int i = 0; i < 3; ++i) {
      if (i > 0) text += w.separator;
      text += std::string(w.call_open) + "f" + std::string(w.name_end) + R"({"a": 1})" +
              std::string(w.call_close);
    }
    text += w.list_close;
    Parser parser(dialect, {.tools = Tools()});
    Output out;
    parser.Push(text, &out);
    parser.Finish(&out);
    EXPECT_EQ(out.content, "") << words;
    ASSERT_EQ(out.calls.size(), 3) << words;
    EXPECT_EQ(out.calls[2].arguments, R"({"a": 1})") << words;
  }
}

}  // namespace
}  // namespace axollama::dialect
