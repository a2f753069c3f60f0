#include "runner/apply_template.h"

#include <gtest/gtest.h>

namespace axollama::runner {
namespace {

std::string Context(std::string_view body) {
  const auto request = ReadApplyTemplate(body, "<s>", "</s>");
  return request ? request->context : "error: " + request.error().message;
}

TEST(ApplyTemplate, JinjaSeesWhatTransformersGivesIt) {
  EXPECT_EQ(Context(R"({"messages":[{"role":"user","content":"hi"}],
                        "chat_template_kwargs":{"enable_thinking":false}})"),
            R"({"messages":[{"role":"user","content":"hi"}],"tools":null,"documents":null,)"
            R"("add_generation_prompt":true,"bos_token":"<s>","eos_token":"</s>",)"
            R"("enable_thinking":false})");
  EXPECT_EQ(Context(R"({"messages":[],"tools":[{"type":"function"}]})"),
            R"({"messages":[],"tools":[{"type":"function"}],"documents":null,)"
            R"("add_generation_prompt":true,"bos_token":"<s>","eos_token":"</s>"})");
  EXPECT_EQ(Context(R"({"messages":[],"tools":[]})"), Context(R"({"messages":[]})"));
}

TEST(ApplyTemplate, GoSeesOllamasVariables) {
  const auto request = ReadApplyTemplate(
      R"({"go_template":"{{ .Prompt }}","messages":[{"role":"user","content":"hi"}],
          "chat_template_kwargs":{"enable_thinking":true,"reasoning_effort":"low"}})",
      "<s>", "");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->go_template, "{{ .Prompt }}");
  EXPECT_EQ(request->context,
            R"({"tools":null,"messages":[{"role":"user","content":"hi"}],"is_think_set":true,)"
            R"("think":true,"think_level":"low"})");
  EXPECT_EQ(Context(R"({"go_template":"","prompt":"a","suffix":"b"})"),
            R"({"tools":null,"prompt":"a","suffix":"b","is_think_set":false,"think":false,)"
            R"("think_level":""})");
}

TEST(ApplyTemplate, WrongFieldsAreNamed) {
  for (const std::string_view bad :
       {R"({})", R"({"messages":{}})", R"({"messages":["hi"]})",
        R"({"messages":[{"content":"hi"}]})", R"({"messages":[],"tools":{}})",
        R"({"messages":[],"go_template":1})", R"({"go_template":"x"})",
        R"({"messages":[],"chat_template_kwargs":[]})",
        R"({"messages":[],"go_template":"","chat_template_kwargs":{"enable_thinking":1}})"}) {
    EXPECT_FALSE(ReadApplyTemplate(bad, "", "")) << bad;
  }
}

}  // namespace
}  // namespace axollama::runner
