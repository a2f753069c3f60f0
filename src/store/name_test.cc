#include "store/name.h"

#include <gtest/gtest.h>

#include <initializer_list>

#include "store/alias.h"

namespace axollama::store {
namespace {

std::string Short(std::string_view text) {
  const auto name = Name::Parse(text);
  return name ? name->Short() : "";
}

TEST(Name, MissingPartsAreOllamasDefaults) {
  const auto name = Name::Parse("smollm2");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->Path(), "registry.ollama.ai/library/smollm2/latest");
  EXPECT_EQ(Short("smollm2"), "smollm2:latest");
  EXPECT_EQ(Short("smollm2:135m"), "smollm2:135m");
  EXPECT_EQ(Short("library/smollm2:135m"), "smollm2:135m");
  EXPECT_EQ(Short("Registry.Ollama.AI/Library/smollm2:135m"), "smollm2:135m");
  EXPECT_EQ(Short("me/smollm2"), "me/smollm2:latest");
  EXPECT_EQ(Short("hf.co/AXERA-TECH/Qwen3-0.6B"), "hf.co/AXERA-TECH/Qwen3-0.6B:latest");
  EXPECT_EQ(Short("localhost:5000/a/b:c"), "localhost:5000/a/b:c");
  EXPECT_EQ(Short("http://localhost:5000/a/b"), "localhost:5000/a/b:latest");
}

TEST(Name, IsEqualWhateverItsCase) {
  EXPECT_EQ(Name::Parse("SmolLM2:135M")->Key(), Name::Parse("smollm2:135m")->Key());
  EXPECT_NE(Name::Parse("smollm2:135m")->Key(), Name::Parse("smollm2:360m")->Key());
}

TEST(Name, NothingThatLeavesItsFolder) {
  const std::string long_part(81, 'a'), long_host(351, 'a');
  for (const std::string& text : {std::string(""),
                                  std::string(":"),
                                  std::string("/"),
                                  std::string("a/"),
                                  std::string("/a"),
                                  std::string("//a"),
                                  std::string("a:"),
                                  std::string(":a"),
                                  std::string(".."),
                                  std::string("../../etc/passwd"),
                                  std::string("a/../b"),
                                  std::string("a:.."),
                                  std::string("a:../b"),
                                  std::string("/etc/passwd"),
                                  std::string(".hidden"),
                                  std::string("-a"),
                                  std::string("a b"),
                                  std::string("a%2e%2e"),
                                  std::string("%2e%2e"),
                                  std::string("a\0b", 3),
                                  std::string("a\\b"),
                                  std::string("a@b"),
                                  std::string("a\n"),
                                  std::string("b.c/a"),
                                  std::string("x/y/z/a"),
                                  std::string("\xc3\xa9"),
                                  long_part,
                                  "a:" + long_part,
                                  long_part + "/a",
                                  long_host + "/a/b"}) {
    EXPECT_FALSE(Name::Parse(text)) << text;
  }
  EXPECT_EQ(ParseName("..").error().message, "invalid model name");
  EXPECT_TRUE(Name::Parse(std::string(80, 'a')));
  EXPECT_TRUE(Name::Parse(std::string(350, 'a') + "/b/c"));
}

TEST(ParseReference, TellsWhereTheModelShallBe) {
  using Source = Reference::Source;
  struct Case {
    std::string_view text, name;
    Source source;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"x", "x", Source::kAny},
           {"x:4b", "x:4b", Source::kAny},
           {"x:local", "x", Source::kLocal},
           {"x:4b:LOCAL", "x:4b", Source::kLocal},
           {"x:cloud", "x", Source::kCloud},
           {"h:1/n/x:20b-Cloud", "h:1/n/x:20b", Source::kCloud},
           {"my-cloud", "my-cloud", Source::kAny},
           {"h:p-cloud/x/y", "h:p-cloud/x/y", Source::kAny},
           {"", "", Source::kAny},
           {":", ":", Source::kAny},
       }) {
    const auto reference = ParseReference(c.text);
    ASSERT_TRUE(reference) << c.text;
    EXPECT_EQ(reference->name, c.name);
    EXPECT_EQ(reference->source, c.source) << c.text;
  }
  for (const std::string_view text : {"x:cloud:local", "x:local:local", "x:4b-cloud:cloud"}) {
    EXPECT_EQ(ParseReference(text).error().message,
              "use either :local or :cloud, not both: \"" + std::string(text) + "\"");
  }
}

std::string Meant(std::string_view asked, const std::vector<std::string>& there) {
  std::vector<Name> names;
  for (const std::string& text : there) names.push_back(*Name::Parse(text));
  const auto match = MatchAlias(*Name::Parse(asked), names);
  return match ? there[*match] : "";
}

TEST(Alias, OllamasNameMeansAxerasModel) {
  const std::vector<std::string> there = {"Qwen3-0.6B",
                                          "Qwen3-4B-GPTQ-Int4",
                                          "Qwen2.5-1.5B-Instruct",
                                          "hf.co/AXERA-TECH/SmolLM2-360M-Instruct",
                                          "DeepSeek-R1-Distill-Qwen-1.5B",
                                          "Qwen3-VL-2B-Instruct"};
  EXPECT_EQ(Meant("qwen3:4b", there), "Qwen3-4B-GPTQ-Int4");
  EXPECT_EQ(Meant("qwen3:0.6b", there), "Qwen3-0.6B");
  EXPECT_EQ(Meant("qwen2.5:1.5b", there), "Qwen2.5-1.5B-Instruct");
  EXPECT_EQ(Meant("qwen2.5:1.5b-instruct", there), "Qwen2.5-1.5B-Instruct");
  EXPECT_EQ(Meant("smollm2:360m", there), "hf.co/AXERA-TECH/SmolLM2-360M-Instruct");
  EXPECT_EQ(Meant("smollm2", there), "hf.co/AXERA-TECH/SmolLM2-360M-Instruct");
  EXPECT_EQ(Meant("library/smollm2", there), "hf.co/AXERA-TECH/SmolLM2-360M-Instruct");
}

TEST(Alias, WhatIsNotSureIsNotGuessed) {
  const std::vector<std::string> there = {"Qwen3-4B-Int8", "Qwen3-4B-GPTQ-Int4", "Qwen3-8B",
                                          "Qwen3-VL-2B",   "gemma3:1b",          "qwen3-coder:1b"};
  EXPECT_EQ(Meant("qwen3:4b", there), "");      // two makes
  EXPECT_EQ(Meant("qwen3", there), "");         // two sizes
  EXPECT_EQ(Meant("qwen3:2b", there), "");      // the VL is another model
  EXPECT_EQ(Meant("qwen3:1b", there), "");      // so is the coder
  EXPECT_EQ(Meant("qwen", there), "");          // half a word
  EXPECT_EQ(Meant("gemma3:4b", there), "");     // not that size
  EXPECT_EQ(Meant("me/gemma3:1b", there), "");  // somebody's own
  EXPECT_EQ(Meant("gemma3", there), "gemma3:1b");
}

}  // namespace
}  // namespace axollama::store
