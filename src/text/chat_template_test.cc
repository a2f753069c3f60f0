#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace axollama::text {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

std::string Render(std::string_view source, std::string_view context = "{}") {
  const auto compiled = ChatTemplate::Compile(source);
  if (!compiled) return "compile: " + compiled.error().message;
  const auto text = (*compiled)->Render(context);
  return text ? *text : "render: " + text.error().message;
}

// Expected values in this file are what transformers 5 renders with Jinja2 3.1.

TEST(ChatTemplate, ChatML) {
  constexpr std::string_view source =
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
      "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
  EXPECT_EQ(Render(source, R"({"messages":[{"role":"user","content":"Hi <b>&"}],)"
                           R"("add_generation_prompt":true})"),
            "<|im_start|>user\nHi <b>&<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplate, NoneIsNotIterable) {
  EXPECT_EQ(
      Render("{% if t is iterable and t | length > 0 %}a{% else %}b{% endif %}"
             "{{ 'x' is iterable }}{{ [] is iterable }}{{ {} is iterable }}{{ 1 is iterable }}",
             R"({"t":null})"),
      "bTrueTrueTrueFalse");
}

TEST(ChatTemplate, BlocksAreTrimmed) {
  EXPECT_EQ(Render("{% if true %}\n  a\n  {% endif %}\nb\n"), "  a\nb");
  EXPECT_EQ(Render("x   {%- if true %} y {%- endif %}"), "x y");
}

TEST(ChatTemplate, ValuesPrintAsPythonPrintsThem) {
  EXPECT_EQ(Render("{{ none }} {{ true }} {{ x }} {{ missing }}.", R"({"x":1.0})"),
            "None True 1.0 .");
  EXPECT_EQ(Render("{{ l }} {{ 'n: ' ~ none }}", R"({"l":["a",1,null,true]})"),
            "['a', 1, None, True] n: None");
}

TEST(ChatTemplate, ToJsonIsPythons) {
  const std::string context =
      R"({"t":{"name":"f","z":[1,2.5,1e-7,1e16,null,true],"q":"a\"\\\n\u0001é<'&>"},"e":{},"l":[]})";
  EXPECT_EQ(
      Render("{{ t | tojson }}{{ e | tojson }}{{ l | tojson }}", context),
      R"({"name": "f", "z": [1, 2.5, 1e-07, 1e+16, null, true], "q": "a\"\\\n\u0001é<'&>"}{}[])");
  EXPECT_EQ(Render("{{ t.z | tojson(indent=2) }}", R"({"t":{"z":[1,{"b":2}]}})"),
            "[\n  1,\n  {\n    \"b\": 2\n  }\n]");
  EXPECT_EQ(Render("{{ t | tojson(separators=(',', ':'), sort_keys=true) }}",
                   R"({"t":{"b":1,"a":[1,2]}})"),
            R"({"a":[1,2],"b":1})");
  EXPECT_EQ(Render("{{ 'é😀' | tojson(ensure_ascii=true) }}"), R"("\u00e9\ud83d\ude00")");
}

TEST(ChatTemplate, PythonMethods) {
  EXPECT_EQ(Render("{{ ' a,b '.strip().split(',')[-1] }}{{ 'abc'.startswith('ab') }}"
                   "{{ 'A'.lower() }}{{ 'x'.join(['1','2']) }}"),
            "bTruea1x2");
  EXPECT_EQ(Render("{{ 'think:x'.removeprefix('think:') }}{{ 'a-b-c'.rsplit('-', 1)[0] }}"
                   "{{ 'a=b=c'.partition('=')[2] }}{{ 'abc'.index('c') }}"),
            "xa-bb=c2");
  EXPECT_EQ(Render("{% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %}{{ d.get('q', 7) }}",
                   R"({"d":{"z":1,"a":2}})"),
            "z1a27");
  EXPECT_EQ(Render("{{ m[::-1][0] }}{{ m[1:]|length }}{{ m|map('upper')|join('.') }}",
                   R"({"m":["a","b"]})"),
            "b1A.B");
}

TEST(ChatTemplate, LoopControlsNamespaceAndMacros) {
  EXPECT_EQ(Render("{% set ns = namespace(n=0) %}{% for i in range(9) %}{% if i == 2 %}"
                   "{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}"
                   "{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}"),
            "8");
  EXPECT_EQ(Render("{% macro m(x, y='d') %}[{{ x }}{{ y }}]{% endmacro %}{{ m('a') }}"), "[ad]");
  EXPECT_EQ(Render("a{% generation %}b{%- endgeneration -%} c"), "abc");
}

TEST(ChatTemplate, TheTemplatesOwnErrorsComeThroughVerbatim) {
  const auto compiled =
      ChatTemplate::Compile("{% if x %}{{ raise_exception('roles must alternate') }}{% endif %}");
  ASSERT_TRUE(compiled) << compiled.error().message;
  const auto text = (*compiled)->Render(R"({"x":1})");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(text.error().message, "roles must alternate");
  EXPECT_EQ(*(*compiled)->Render(R"({"x":0})"), "");
}

TEST(ChatTemplate, StrftimeNow) {
  EXPECT_THAT(Render("{{ strftime_now('%Y-%m-%d') }}"), MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}"));
}

TEST(ChatTemplate, ErrorsNameTheLine) {
  EXPECT_THAT(Render("a\n{% if %}"), HasSubstr("compile: the chat template does not compile"));
  EXPECT_THAT(Render("a\n{% if %}"), HasSubstr("line 2"));
  EXPECT_THAT(Render("a\n{{ x.y.z }}"), HasSubstr("line 2"));
  EXPECT_THAT(Render("{{ nothing() }}"), HasSubstr("render: "));
  EXPECT_THAT(Render("a", "[1]"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(Render("a", "{"), HasSubstr("not valid JSON"));
}

TEST(ChatTemplate, ATemplateCannotRunForEver) {
  EXPECT_THAT(Render("{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}"), HasSubstr("render: "));
  EXPECT_THAT(Render("{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}"
                     "{% endfor %}{% endfor %}"),
              HasSubstr("render: "));
}

}  // namespace
}  // namespace axollama::text
