#include "text/go_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace axollama::text {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// A conversation with a system message, a call, its answer; two tools.
constexpr std::string_view kChat =
    R"({"messages":[{"role":"system","content":"Sys"},{"role":"user","content":"Hi"},)"
    R"({"role":"assistant","content":"","reasoning_content":"Hm","tool_calls":[{"id":"c1",)"
    R"("function":{"name":"f","arguments":{"z":"<b>","n":1500000,"l":[1,"a"]}}}]},)"
    R"({"role":"tool","content":"r","name":"f"},{"role":"user","content":"Bye"}],)"
    R"("tools":[{"type":"function","function":{"name":"f","description":"d","parameters":)"
    R"({"type":"object","required":["b"],"properties":{"b":{"type":"string","description":"B",)"
    R"("minLength":1},"a":{"type":["integer","null"]}}}}}],)"
    R"("think":true,"is_think_set":true,"think_level":"low"})";
constexpr std::string_view kTurns =
    R"({"messages":[{"role":"system","content":"Sys"},{"role":"user","content":"Hi"},)"
    R"({"role":"assistant","content":"Hello"},{"role":"user","content":"Bye"}]})";

std::string Render(std::string_view source, std::string_view context = kChat) {
  const auto compiled = GoTemplate::Compile(source);
  if (!compiled) return "compile: " + compiled.error().message;
  const auto text = (*compiled)->Render(context);
  return text ? *text : "render: " + text.error().message;
}

// Every expected text in this file is what Ollama 0.33's own template package gives, but where a
// test says otherwise. {{ len .Messages }} is there to have it render the messages at once.

TEST(GoTemplate, ChatMl) {
  EXPECT_EQ(Render("{{- range $i, $_ := .Messages }}\n"
                   "{{- $last := eq (len (slice $.Messages $i)) 1 -}}\n"
                   "<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n"
                   "{{ if and $last (ne .Role \"assistant\") }}<|im_start|>assistant\n{{ end }}\n"
                   "{{- end }}",
                   kTurns),
            "<|im_start|>system\nSys<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
            "<|im_start|>assistant\n");
}

TEST(GoTemplate, TurnByTurnWhereThereAreNoMessages) {
  EXPECT_EQ(Render("{{ if .System }}<s>{{ .System }}</s>{{ end }}{{ if .Prompt }}<u>{{ .Prompt }}"
                   "</u>{{ end }}<a>{{ .Response }}</a>",
                   kTurns),
            "<s>Sys</s><u>Hi</u><a>Hello</a><u>Bye</u><a>");
  EXPECT_EQ(Render("{{ .System }}|{{ .Prompt }}|", kTurns), "Sys|Hi|Hello|Bye|");
  EXPECT_EQ(Render("{{ .Prompt }}", kTurns), "HiHelloBye");
  EXPECT_EQ(Render("{{ if .Response }}R{{ .Response }}{{ end }}tail", kTurns), "RHellotail");
  EXPECT_EQ(Render("{{ .Prompt }}.{{ .Response }}.", R"({"messages":[]})"), ".");
}

TEST(GoTemplate, NeighboursOfOneRoleAreOneMessage) {
  EXPECT_EQ(Render("{{ .System }}:{{ range .Messages }}[{{ .Role }} {{ .Content }}]{{ end }}",
                   R"({"messages":[{"role":"system","content":"1"},{"role":"user","content":"2"},)"
                   R"({"role":"user","content":"3"},{"role":"tool","content":"4"},)"
                   R"({"role":"tool","content":"5"},{"role":"system","content":"6"}]})"),
            "1\n\n6:[system 1][user 2\n\n3][tool 4][tool 5][system 6]");
}

TEST(GoTemplate, PromptAndSuffix) {
  constexpr std::string_view insert = R"({"prompt":"def f(","suffix":"return 1"})";
  EXPECT_EQ(Render("<PRE>{{ .Prompt }}<SUF>{{ .Suffix }}<MID>", insert),
            "<PRE>def f(<SUF>return 1<MID>");
  EXPECT_EQ(Render("{{ if .Suffix }}{{ .Prompt }}~{{ .Suffix }}{{ else }}{{ .Messages }}{{ end }}",
                   insert),
            "def f(~return 1");
}

TEST(GoTemplate, ToolsAndCalls) {
  EXPECT_EQ(Render("{{ range .Tools }}{{ . }}{{ end }}{{ len .Messages }}"),
            R"({"type":"function","function":{"name":"f","description":"d","parameters":)"
            R"({"type":"object","required":["b"],"properties":{"a":{"type":["integer","null"]},)"
            R"("b":{"type":"string","description":"B"}}}}}5)");
  EXPECT_EQ(Render("{{ .Tools }}{{ len .Messages }}", kTurns), "null4");
  EXPECT_EQ(Render("{{ range .Messages }}{{ range .ToolCalls }}{{ .ID }} {{ .Function.Index }} "
                   "{{ .Function.Name }} {{ .Function.Arguments }}{{ range $k, $v := "
                   ".Function.Arguments }} {{ $k }}={{ $v }}{{ end }}{{ end }}{{ .Thinking }}"
                   "{{ .ToolName }}{{ end }}"),
            R"(c1 0 f {"l":[1,"a"],"n":1500000,"z":"\u003cb\u003e"} l=[1 a] n=1.5e+06 z=<b>Hmf)");
  EXPECT_EQ(Render("{{ range .Tools }}{{ range $name, $p := .Function.Parameters.Properties }}"
                   "{{ $name }}: {{ $p.Type }} {{ toTypeScriptType $p }} {{ $p.Description }};"
                   "{{ end }}{{ .Function.Parameters.Required }}{{ end }}{{ len .Messages }}"),
            "a: [integer null] number | null ;b: string string B;[b]5");
}

// Ollama 0.33 prints Go's own form of the struct here, {f d {object ...}}, which no published
// template means.
TEST(GoTemplate, AFunctionPrintsAsJson) {
  EXPECT_EQ(Render("{{ range .Tools }}{{ .Function }}{{ end }}{{ len .Messages }}"),
            R"({"name":"f","description":"d","parameters":{"type":"object","required":["b"],)"
            R"("properties":{"a":{"type":["integer","null"]},"b":{"type":"string",)"
            R"("description":"B"}}}}5)");
}

TEST(GoTemplate, Thinking) {
  constexpr std::string_view source =
      "{{ if and .IsThinkSet (not .Think) }}off{{ else if .Think }}on {{ .ThinkLevel }}{{ else }}"
      "unset{{ end }}{{ len .Messages }}";
  EXPECT_EQ(Render(source), "on low5");
  EXPECT_EQ(Render(source, kTurns), "unset4");
  EXPECT_EQ(Render(source, R"({"messages":[],"is_think_set":true})"), "off0");
}

TEST(GoTemplate, ControlAndVariables) {
  EXPECT_EQ(Render("{{ range .Messages }}{{ if eq .Role \"tool\" }}{{ break }}{{ else if eq .Role "
                   "\"system\" }}{{ continue }}{{ end }}{{ .Role }},{{ else }}none{{ end }}"),
            "user,assistant,");
  EXPECT_EQ(Render("{{ range .Nope }}x{{ else }}none{{ end }}{{ with .Nope }}a{{ else with .System "
                   "}}b{{ . }}{{ end }}{{ len .Messages }}"),
            "nonebSys5");
  EXPECT_EQ(Render("{{ $x := \"a\" }}{{ range .Messages }}{{ $x = .Role }}{{ $y := 1 }}{{ end }}"
                   "{{ $x }}{{ $.System }}"),
            "userSys");
  EXPECT_EQ(Render("{{ define \"t\" }}[{{ . }}]{{ end }}{{ template \"t\" .System }}{{ block \"b\" "
                   "3 }}<{{ $ }}>{{ end }}{{ len .Messages }}"),
            "[Sys]<3>5");
  EXPECT_EQ(Render("{{ range 2 }}{{ . }}{{ end }}{{ if $x := .System }}{{ $x }}{{ end }}"
                   "{{ len .Messages }}"),
            "01Sys5");
}

TEST(GoTemplate, Functions) {
  EXPECT_EQ(Render("{{ eq .System \"a\" \"Sys\" }}{{ ne 1 2 }}{{ lt 1 2 }}{{ ge \"b\" \"a\" }}"
                   "{{ eq .Nope nil }}{{ eq .Nope \"a\" }}{{ len .Messages }}"),
            "truetruetruetruetruefalse5");
  EXPECT_EQ(Render("{{ and .System .Nope }}|{{ or .Nope .System }}|{{ if and .Nope .Nope.Deep }}"
                   "x{{ end }}{{ not .Nope }}{{ len .Messages }}"),
            "<no value>|Sys|true5");
  EXPECT_EQ(
      Render(
          "{{ slice \"hello\" 1 3 }}{{ len (slice .Messages 2) }}"
          "{{ (index .Messages 1).Content }}{{ index \"abc\" 1 }}{{ range .Messages }}{{ end }}"),
      "el3Hi98");
  EXPECT_EQ(Render("{{ printf \"%s|%d|%v|%q|%5s|%-5s|%05d|%t|%.2f|%%\" \"a\" 3 .System \"q\\\"\" "
                   "\"ab\" \"ab\" 42 true 1.5 }}{{ len .Messages }}"),
            "a|3|Sys|\"q\\\"\"|   ab|ab   |00042|true|1.50|%5");
  EXPECT_EQ(Render("{{ printf \"%d\" \"x\" }}{{ printf \"%s\" }}{{ printf \"a\" 1 }}"
                   "{{ len (printf \"a%*s\" 3 \"\") }}{{ len .Messages }}"),
            "%!d(string=x)%!s(MISSING)a%!(EXTRA int=1)45");
  EXPECT_EQ(Render("{{ print 1 2 \"a\" 3 4 true nil }}{{ println \"x\" 1 }}{{ \"x\" | len | printf "
                   "\"%d\" }}{{ len .Messages }}"),
            "1 2a3 4 true <nil>x 1\n15");
  EXPECT_EQ(Render("{{ json .System }}{{ json (slice .Messages 0 1) }}"),
            R"("Sys"[{"Role":"system","Content":"Sys","Thinking":"","Images":null,)"
            R"("ToolCalls":null,"ToolName":"","ToolCallID":""}])");
}

TEST(GoTemplate, DatesAreTodayAndTheDayBefore) {
  EXPECT_THAT(Render("{{ currentDate }} {{ yesterdayDate }} {{ len .Messages }}"),
              testing::MatchesRegex("2[0-9]{3}-[0-9]{2}-[0-9]{2} 2[0-9]{3}-[0-9]{2}-[0-9]{2} 5"));
}

TEST(GoTemplate, SpacesCommentsAndLiterals) {
  EXPECT_EQ(Render("a  {{- /* c */ -}}  b {{ \"x\" -}} \n c {{- len .Messages }}"), "ab xc5");
  EXPECT_EQ(Render("{{ `raw \"q\" \\n` }}{{ \"\\t\\u00e9\\x41\" }}{{ 'a' }}{{ 0x1F }}{{ 1_000 }}"
                   "{{ -5 }}{{ .5 }}{{ 1e6 }}{{ true }}{{ len .Messages }}"),
            "raw \"q\" \\n\té\x41"
            "97311000-50.51e+06true5");
}

TEST(GoTemplate, WhatIsWrongIsSaidWithItsLine) {
  EXPECT_EQ(Render("a\n{{ foo }}"),
            "compile: the template does not compile: line 2: function \"foo\" not defined");
  for (const std::string_view bad : {"{{ if }}a{{ end }}",
                                     "{{ end }}",
                                     "{{ if .System }}a",
                                     "{{ .System",
                                     "{{ \"a }}",
                                     "{{ break }}",
                                     "{{ \"a\" \"b\" }}",
                                     "{{ .System | .Messages }}",
                                     "{{ $nope }}",
                                     "{{ nil }}",
                                     "{{ else }}",
                                     "{{/* a }}",
                                     "{{ ( }}",
                                     "{{ .System) }}",
                                     "{{ template }}",
                                     "{{ | }}",
                                     "{{ range .A }}{{ define \"x\" }}{{ end }}{{ end }}",
                                     "{{ 'ab' }}",
                                     "{{ 1x }}",
                                     "{{ ! }}"}) {
    EXPECT_THAT(Render(bad), StartsWith("compile: the template does not compile: line 1: ")) << bad;
  }
  for (const std::string_view bad :
       {"{{ range .Messages }}{{ .Nope }}{{ end }}", "{{ .Nope.Deep }}{{ .Messages }}",
        "{{ index .Messages 9 }}", "{{ len 3 }}{{ .Messages }}", "{{ eq 1 \"a\" }}{{ .Messages }}",
        "{{ range \"ab\" }}{{ end }}{{ .Messages }}", "{{ slice .Messages 3 2 }}",
        "{{ template \"x\" . }}{{ .Messages }}", "{{ not }}{{ .Messages }}"}) {
    EXPECT_THAT(Render(bad), StartsWith("render: the template failed: ")) << bad;
  }
}

TEST(GoTemplate, HasBounds) {
  EXPECT_THAT(
      Render("{{ define \"t\" }}{{ template \"t\" . }}{{ end }}{{ template \"t\" .Messages }}"),
      HasSubstr("call each other too deeply"));
  EXPECT_THAT(Render("{{ range 1000000000 }}{{ end }}{{ .Messages }}"), HasSubstr("steps"));
  EXPECT_THAT(Render("{{ $x := \"0123456789\" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}"
                     "{{ .Messages }}"),
              HasSubstr("longer than 16777216 bytes"));
  EXPECT_THAT(Render("{{ printf \"%999999999d\" 1 }}{{ .Messages }}"), HasSubstr("width"));
  // Many long pieces in one call, and long work with a short result.
  const std::string long_text =
      "{{ $x := \"0123456789abcdef\" }}{{ range 18 }}{{ $x = print $x $x }}{{ end }}";
  std::string texts, lists, numbers, widths;
  for (int i = 0; i < 3'000; ++i) {
    texts += " $x";
    lists += " .Messages";
    numbers += " 1";
    widths += "%9999d";
  }
  EXPECT_THAT(Render(long_text + "{{ len (print" + texts + ") }}{{ .Messages }}"),
              HasSubstr("steps"));
  const std::string wordy =
      R"({"messages":[{"role":"user","content":")" + std::string(10'000, 'x') + R"("}]})";
  for (const std::string& call : {"print" + lists, "println" + lists, "printf \"\"" + lists,
                                  "printf \"" + widths + "\"" + numbers}) {
    EXPECT_THAT(Render("{{ len (" + call + ") }}{{ .Messages }}", wordy),
                HasSubstr("longer than 16777216 bytes"))
        << call.substr(0, 10);
  }
  EXPECT_THAT(
      Render(long_text + "{{ range 100000 }}{{ if eq $x $x }}{{ end }}{{ end }}{{ .Messages }}"),
      HasSubstr("steps"));
  std::string turns;  // each of them in a run of its own, where a template knows no .Messages
  for (int i = 0; i < 20; ++i) {
    turns += std::string(i > 0 ? "," : "") + R"({"role":"user","content":"a"},)" +
             R"({"role":"assistant","content":"b"})";
  }
  EXPECT_THAT(Render("{{ range 50000 }}{{ end }}{{ .Prompt }}{{ .Response }}",
                     "{\"messages\":[" + turns + "]}"),
              HasSubstr("steps"));
  std::string deep, parens;
  for (int i = 0; i < 100'000; ++i) deep += "{{ if 1 }}";
  EXPECT_THAT(Render(deep), HasSubstr("longer than 262144 bytes"));
  for (int i = 0; i < 10'000; ++i) parens += "(";
  EXPECT_THAT(Render("{{ " + parens + " }}"), HasSubstr("nested too deeply"));
  EXPECT_THAT(Render(deep.substr(0, 200'000)), HasSubstr("nested too deeply"));
  EXPECT_THAT(Render("{{ .Messages }}", "{"), HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace axollama::text
