#include "dialect/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace axollama::dialect {
namespace {

constexpr std::string_view kTools =
    R"([{"type":"function","function":{"name":"get_weather","parameters":{"type":"object",)"
    R"("properties":{"city":{"type":"string"},"days":{"type":"integer"}}}}},)"
    R"({"type":"function","function":{"name":"stop_all"}}])";

// Template words that choose each dialect.
constexpr std::string_view kQwen3 = "<tool_call> </think> enable_thinking";
constexpr std::string_view kQwen25 = "<tool_call>";
constexpr std::string_view kCoder = "<tool_call> <function=";
constexpr std::string_view kLlama = "<|start_header_id|>";
constexpr std::string_view kMistral = "[TOOL_CALLS]";
constexpr std::string_view kMistralArgs = "[TOOL_CALLS] [ARGS] [/THINK]";
constexpr std::string_view kDeepSeek = "<｜tool▁call▁begin｜> </think>";
constexpr std::string_view kGemma = "<start_of_turn>";

struct Parsed {
  std::string thinking, content, calls, deltas;
  bool operator==(const Parsed&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Parsed& parsed) {
  return out << "thinking `" << parsed.thinking << "` content `" << parsed.content << "` calls `"
             << parsed.calls << "` deltas `" << parsed.deltas << "`";
}

struct Given {
  std::string_view words;
  std::string text;
  bool tools = true;
  bool thinking_begun = false;
  bool thinking = true;
};

Parsed RunParser(const Given& given, const std::vector<size_t>& cuts) {
  ParserOptions options{.thinking = given.thinking, .thinking_begun = given.thinking_begun};
  if (given.tools) options.tools = ReadTools(kTools).value();
  Parser parser(Choose(given.words, ""), std::move(options));
  Parsed parsed;
  std::vector<std::string> deltas;
  const auto take = [&](Output* out) {
    parsed.thinking += out->thinking;
    parsed.content += out->content;
    for (const CallDelta& delta : out->call_deltas) {
      const size_t index = static_cast<size_t>(delta.index);
      if (deltas.size() <= index) deltas.resize(index + 1);
      deltas[index] += (delta.name.empty() ? "" : delta.name + "(") + delta.arguments;
    }
    for (const Call& call : out->calls) {
      parsed.calls += std::to_string(call.index) + ":" + call.name + call.arguments;
    }
    *out = {};
  };
  Output out;
  size_t begin = 0;
  for (const size_t cut : cuts) {
    parser.Push(std::string_view(given.text).substr(begin, cut - begin), &out);
    take(&out);
    begin = cut;
  }
  parser.Push(std::string_view(given.text).substr(begin), &out);
  take(&out);
  parser.Finish(&out);
  take(&out);
  for (const std::string& delta : deltas) parsed.deltas += delta + ";";
  return parsed;
}

// What comes of it whole, after checking that cutting it anywhere gives the same.
Parsed Parse(const Given& given) {
  const Parsed whole = RunParser(given, {});
  std::vector<size_t> bytes;
  for (size_t i = 1; i < given.text.size(); ++i) {
    bytes.push_back(i);
    EXPECT_EQ(RunParser(given, {i}), whole) << "cut at " << i;
  }
  EXPECT_EQ(RunParser(given, bytes), whole) << "cut everywhere";
  return whole;
}

TEST(Parser, PlainText) {
  EXPECT_EQ(Parse({kQwen25, "  Hello\n\nthere <b> \n"}), (Parsed{"", "  Hello\n\nthere <b> \n"}));
  EXPECT_EQ(Parse({kQwen25, "\n \n"}), (Parsed{"", "\n \n"}));
  EXPECT_EQ(Parse({kQwen25, ""}), Parsed{});
}

TEST(Parser, ThinkingComesFirst) {
  EXPECT_EQ(Parse({kQwen3, "<think>\nHm, 2+2.\n</think>\n\nIt is 4.\n"}),
            (Parsed{"Hm, 2+2.", "It is 4.\n"}));
  EXPECT_EQ(Parse({kQwen3, " \n<think>\n\n</think>\n\nYes"}), (Parsed{"", "Yes"}));
  EXPECT_EQ(Parse({kQwen3, "Yes <think>no</think>"}), (Parsed{"", "Yes <think>no</think>"}));
  EXPECT_EQ(Parse({kQwen3, "<think>it is cut <thi"}), (Parsed{"it is cut <thi", ""}));
  EXPECT_EQ(Parse({kQwen3, "<think>a</think>b</think>c"}), (Parsed{"a", "b</think>c"}));
  EXPECT_EQ(Parse({kMistralArgs, "[THINK]a[b] [/TH[/THINK]c"}), (Parsed{"a[b] [/TH", "c"}));
}

TEST(Parser, ThePromptMayHaveBegunIt) {
  EXPECT_EQ(Parse({kQwen3, "\nHm.</think>4", false, true}), (Parsed{"Hm.", "4"}));
  EXPECT_EQ(Parse({kQwen3, "\n<think>Hm.\n</think>4", false, true}), (Parsed{"Hm.", "4"}));
}

TEST(Parser, ThinkingStaysWhereItIsNotWanted) {
  EXPECT_EQ(Parse({kQwen3, "<think>a</think>b", true, false, false}),
            (Parsed{"", "<think>a</think>b"}));
  EXPECT_EQ(Parse({kQwen25, "<think>a</think>b"}), (Parsed{"", "<think>a</think>b"}));
}

TEST(Parser, Calls) {
  const Parsed paris{"", "", R"(0:get_weather{"city": "Paris"})",
                     R"(get_weather({"city": "Paris"};)"};
  const std::string object = R"({"name": "get_weather", "arguments": {"city": "Paris"}})";
  EXPECT_EQ(Parse({kQwen25, "<tool_call>\n" + object + "\n</tool_call>"}), paris);
  EXPECT_EQ(Parse({kQwen25, "\n<tool_call>" + object}), paris);
  EXPECT_EQ(Parse({kQwen25, "<tool_call>[" + object + "]</tool_call>\n"}), paris);
  EXPECT_EQ(Parse({kMistral, "[TOOL_CALLS][" + object + "]"}), paris);
  EXPECT_EQ(Parse({kMistral, "[TOOL_CALLS] " + object}), paris);
  EXPECT_EQ(Parse({kMistral, "[" + object + "]"}), paris);
  EXPECT_EQ(Parse({kLlama, object}), paris);
  EXPECT_EQ(Parse({kLlama, " <|python_tag|>" + object + "<|eom_id|>"}), paris);
  EXPECT_EQ(Parse({kGemma, "```tool_code\n" + object + "\n```"}), paris);
  EXPECT_EQ(Parse({"", object}), paris);
  EXPECT_EQ(Parse({kMistralArgs, R"([TOOL_CALLS]get_weather[ARGS]{"city": "Paris"})"}), paris);
  EXPECT_EQ(
      Parse({kMistralArgs, R"([TOOL_CALLS]get_weather[CALL_ID]abc123DEF[ARGS]{"city": "Paris"})"}),
      paris);
  EXPECT_EQ(Parse({kMistralArgs, R"([TOOL_CALLS]get_weather{"city": "Paris"})"}), paris);
  EXPECT_EQ(Parse({kDeepSeek,
                   "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>"
                   "get_weather\n```json\n{\"city\": \"Paris\"}\n```"
                   "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"}),
            paris);
  EXPECT_EQ(Parse({kDeepSeek,
                   "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Paris\"}"
                   "<｜tool▁call▁end｜>"}),
            paris);
}

TEST(Parser, KeysInAnyOrderAndMoreOfThem) {
  const Parsed paris{"", "", R"(0:get_weather{"city":"Paris"})",
                     R"(get_weather({"city":"Paris"};)"};
  for (const std::string_view object :
       {R"({"name":"get_weather","parameters":{"city":"Paris"}})",
        R"({"arguments":{"city":"Paris"},"name":"get_weather"})",
        R"({"id":"x{","name":"get_weather","arguments":{"city":"Paris"},"n":-1.5e3,"m":[1,{}]})",
        R"({"type":"function","function":{"name":"get_weather","arguments":{"city":"Paris"}}})",
        R"({"function":"get_weather","arguments":{"city":"Paris"}})",
        R"({ "name" : "get_\u0077eather" , "arguments" : "{\"city\":\"Paris\"}" })"}) {
    EXPECT_EQ(Parse({kQwen25, "<tool_call>" + std::string(object) + "</tool_call>"}), paris);
  }
}

TEST(Parser, CallsWithoutArguments) {
  const Parsed stop{"", "", "0:stop_all{}", "stop_all({};"};
  EXPECT_EQ(Parse({kQwen25, R"(<tool_call>{"name":"stop_all"}</tool_call>)"}), stop);
  EXPECT_EQ(Parse({kQwen25, R"(<tool_call>{"name":"stop_all","arguments":null}</tool_call>)"}),
            stop);
  EXPECT_EQ(Parse({kCoder, "<tool_call>\n<function=stop_all>\n</function>\n</tool_call>"}), stop);
}

TEST(Parser, SeveralCalls) {
  const Parsed both{"", "", R"(0:stop_all{}1:get_weather{"days":2})",
                    R"(stop_all({};get_weather({"days":2};)"};
  const std::string a = R"({"name":"stop_all","arguments":{}})";
  const std::string b = R"({"name":"get_weather","arguments":{"days":2}})";
  EXPECT_EQ(Parse({kQwen25,
                   "<tool_call>\n" + a + "\n</tool_call>\n<tool_call>\n" + b + "\n</tool_call>"}),
            both);
  EXPECT_EQ(Parse({kQwen25, "<tool_call>" + a + "\n" + b + "</tool_call>"}), both);
  EXPECT_EQ(Parse({kQwen25, "<tool_call>[" + a + ", " + b + "]</tool_call>"}), both);
  EXPECT_EQ(Parse({kLlama, a + "; " + b}), both);
  EXPECT_EQ(Parse({kLlama, "[" + a + "," + b + "]"}), both);
  EXPECT_EQ(Parse({kMistralArgs,
                   "[TOOL_CALLS]stop_all[ARGS]{}[TOOL_CALLS]get_weather[ARGS]"
                   "{\"days\":2}"}),
            both);
}

TEST(Parser, TextAroundCalls) {
  EXPECT_EQ(
      Parse({kQwen25, "Let me see.\n\n<tool_call>{\"name\":\"stop_all\"}</tool_call>\nDone. {1}"}),
      (Parsed{"", "Let me see.Done. {1}", "0:stop_all{}", "stop_all({};"}));
  EXPECT_EQ(Parse({kLlama, "{\"name\":\"stop_all\"}; and more"}),
            (Parsed{"", "; and more", "0:stop_all{}", "stop_all({};"}));
  EXPECT_EQ(Parse({kQwen3,
                   "<think>\nI call.\n</think>\n\n<tool_call>{\"name\":\"stop_all\"}"
                   "</tool_call>"}),
            (Parsed{"I call.", "", "0:stop_all{}", "stop_all({};"}));
}

TEST(Parser, ACallEndsUnclosedThinking) {
  EXPECT_EQ(Parse({kQwen3,
                   "<think>I call <tool_call> now:\n<tool_call>{\"name\":\"stop_all\"}"
                   "</tool_call></think>\nDone"}),
            (Parsed{"I call <tool_call> now:", "Done", "0:stop_all{}", "stop_all({};"}));
}

TEST(Parser, XmlValuesFollowTheSchema) {
  EXPECT_EQ(Parse({kCoder,
                   "<tool_call>\n<function=get_weather>\n<parameter=city>\n7\n\"a\"\n</parameter>\n"
                   "<parameter=days>\n7\n</parameter>\n<parameter=hot>True</parameter>\n"
                   "<parameter=x>[1, {\"y\": 2}]</parameter></function>\n</tool_call>"})
                .calls,
            R"(0:get_weather{"city": "7\n\"a\"", "days": 7, "hot": true, "x": [1,{"y":2}]})");
  EXPECT_EQ(Parse({kCoder, "<function=stop_all>\n</function>\n</tool_call>"}).calls,
            "0:stop_all{}");
}

TEST(Parser, RawLineEndsInStringsAreEscaped) {
  EXPECT_EQ(
      Parse({kQwen25, "<tool_call>{\"name\":\"get_weather\",\"arguments\":{\"city\":\"a\nb\"}}"})
          .calls,
      R"(0:get_weather{"city":"a\u000ab"})");
}

TEST(Parser, WhatIsNoCallIsText) {
  for (const std::string_view text :
       {"<tool_call>", "<tool_call>\n", "<tool_ca", "a <tool_call> b", "<tool_call></tool_call>",
        "<tool_call>{}</tool_call>", "<tool_call>[]</tool_call>",
        R"(<tool_call>{"name":"unknown","arguments":{}}</tool_call>)",
        R"(<tool_call>{"name":"get_weather"; "arguments":{}}</tool_call>)",
        R"(<tool_call>{"name":"stop_all","name":"stop_all"}</tool_call>)",
        R"(<tool_call>{"name":"stop_all","arguments":7}</tool_call>)",
        R"(<tool_call>{"name":"stop_all","arguments":"{]"}</tool_call>)",
        R"(<tool_call>{"arguments":{}}</tool_call>)",
        "<tool_call>{'name':'stop_all'}</tool_call>"}) {
    EXPECT_EQ(Parse({kQwen25, std::string(text)}), (Parsed{"", std::string(text)}));
  }
  for (const std::string_view text : {R"({"name":"Bob","age":3})", "[1, 2]", "{", "[", "{ no }",
                                      R"( {"a":"b"} )", "Say {\"name\":\"stop_all\"}"}) {
    EXPECT_EQ(Parse({kLlama, std::string(text)}), (Parsed{"", std::string(text)}));
    EXPECT_EQ(Parse({kMistral, std::string(text)}), (Parsed{"", std::string(text)}));
  }
  for (const std::string_view text :
       {"[TOOL_CALLS]", "[TOOL_CALLS] I call", "[TOOL_CALLS]unknown[ARGS]{}",
        "[TOOL_CALLS]stop_all[WHAT]{}", "[TOOL_CALLS]stop_all[ARGS]x"}) {
    EXPECT_EQ(Parse({kMistralArgs, std::string(text)}), (Parsed{"", std::string(text)}));
  }
  for (const std::string_view text :
       {"<function=unknown>\n</function>", "<tool_call><function>", "<function=a\nb>"}) {
    EXPECT_EQ(Parse({kCoder, std::string(text)}), (Parsed{"", std::string(text)}));
  }
  const std::string cut = "<｜tool▁calls▁begin｜> <｜tool▁call▁x";
  EXPECT_EQ(Parse({kDeepSeek, cut}), (Parsed{"", cut}));
}

TEST(Parser, WithoutToolsNothingIsACall) {
  const std::string text = R"(<tool_call>{"name":"stop_all"}</tool_call>)";
  EXPECT_EQ(Parse({kQwen25, text, false}), (Parsed{"", text}));
}

TEST(Parser, ACallThatBreaksOffIsTextToo) {
  const std::string text = R"(<tool_call>{"name":"get_weather","arguments":{"city":"Pa)";
  EXPECT_EQ(Parse({kQwen25, text}), (Parsed{"", text, "", R"(get_weather({"city":"Pa;)"}));
  const std::string twice =
      R"(<tool_call>{"name":"stop_all","arguments":{},"parameters":{}}</tool_call>)";
  EXPECT_EQ(Parse({kQwen25, twice}), (Parsed{"", twice, "", "stop_all({};"}));
  // The next call has an index of its own.
  EXPECT_EQ(
      Parse({kQwen25, text + "\"}]<tool_call>{\"name\":\"stop_all\"}</tool_call>"}),
      (Parsed{"", text + "\"}]", "1:stop_all{}", R"(get_weather({"city":"Pa"};stop_all({};)"}));
}

TEST(Parser, AMarkRightAfterABadOneCounts) {
  EXPECT_EQ(
      Parse({kQwen25, R"(<tool_call>x<tool_call><tool_call>{"name":"stop_all"}</tool_call>)"}),
      (Parsed{"", "<tool_call>x<tool_call>", "0:stop_all{}", "stop_all({};"}));
  EXPECT_EQ(Parse({kCoder, R"(<tool_call><tool_call>{"name":"stop_all"}</tool_call>)"}),
            (Parsed{"", "<tool_call>", "0:stop_all{}", "stop_all({};"}));
}

TEST(Parser, WhatIsHeldBackIsBounded) {
  Parser parser(Choose(kQwen3, ""), {.tools = ReadTools(kTools).value()});
  Output out;
  parser.Push("x" + std::string(100'000, ' '), &out);
  EXPECT_GE(out.content.size(), 100'000 - Parser::kMostSpaces);
  parser.Push("x", &out);
  EXPECT_EQ(out.content, "x" + std::string(100'000, ' ') + "x");
  out = {};
  const std::string begin = R"(<tool_call>{"name":"get_weather","x":")";
  const std::string filler(Parser::kLongestCall, 'y');
  parser.Push(begin, &out);
  EXPECT_EQ(out.content, "");
  parser.Push(filler, &out);
  EXPECT_EQ(out.content, begin + filler);
}

TEST(Parser, DeepArgumentsAreText) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  const std::string text = R"(<tool_call>{"name":"get_weather","arguments":)" + deep;
  EXPECT_EQ(RunParser({kQwen25, text}, {}).content, text);
}

// Texts put together of parts that mean something: nothing is lost, and cuts change nothing.
TEST(Parser, AnyMixtureAnyCuts) {
  constexpr std::string_view kParts[] = {
      "<tool_call>",
      "</tool_call>",
      "<think>",
      "</think>",
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "\"",
      "\n",
      " ",
      "name",
      "\"name\"",
      "\"stop_all\"",
      "\"arguments\"",
      "{}",
      "<function=",
      "stop_all",
      ">",
      "</function>",
      "<parameter=",
      "days",
      "</parameter>",
      "[TOOL_CALLS]",
      "[ARGS]",
      "<|python_tag|>",
      "{\"name\":\"stop_all\"}",
      "{\"name\":\"get_weather\",\"arguments\":{\"city\":\"x\"}}",
      "é",
      "<",
      "```json",
      "```",
      "<｜tool▁call▁begin｜>"};
  std::minstd_rand random(7);
  const auto below = [&random](size_t n) { return static_cast<size_t>(random() % n); };
  int with_calls = 0;
  for (int round = 0; round < 6000; ++round) {
    constexpr std::string_view kWords[] = {kQwen3,   kQwen25,      kCoder,    kLlama,
                                           kMistral, kMistralArgs, kDeepSeek, kGemma};
    Given given{kWords[below(std::size(kWords))], "", true, below(4) == 0};
    for (size_t n = below(12); n > 0; --n) given.text += kParts[below(std::size(kParts))];
    const Parsed whole = RunParser(given, {});
    std::vector<size_t> cuts;
    for (size_t i = 1; i < given.text.size(); ++i) {
      if (below(3) == 0) cuts.push_back(i);
    }
    ASSERT_EQ(RunParser(given, cuts), whole) << given.text;
    if (!whole.calls.empty()) {
      ++with_calls;
      continue;
    }
    // No call: every byte that is no space and no mark of thinking is still there, in order.
    const auto bare = [](std::string text) {
      for (const std::string_view mark : {"<think>", "</think>", "[THINK]", "[/THINK]"}) {
        for (size_t at; (at = text.find(mark)) != std::string::npos;) text.erase(at, mark.size());
      }
      std::erase_if(text, IsSpace);
      return text;
    };
    ASSERT_EQ(bare(whole.thinking + whole.content), bare(given.text)) << given.text;
  }
  EXPECT_GT(with_calls, 100);
}

}  // namespace
}  // namespace axollama::dialect
