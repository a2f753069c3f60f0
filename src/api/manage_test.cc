#include "api/manage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/modelfile.h"

namespace axollama::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Error(std::string_view body) {
  const auto request = ParseCreate(body);
  return request ? "" : request.error().message;
}

TEST(Create, ReadsEveryField) {
  const auto request = ParseCreate(
      R"({"name":"mine","from":"base","system":"S","template":"{{ .Prompt }}","stream":false,)"
      R"("parameters":{"temperature":0.5,"stop":["a","b"],"seed":null},)"
      R"("messages":[{"role":"user","content":"hi"}],"license":["MIT","x"]})");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->model, "mine");
  EXPECT_EQ(request->from, "base");
  EXPECT_EQ(request->system, "S");
  EXPECT_EQ(request->go_template, "{{ .Prompt }}");
  EXPECT_FALSE(request->stream);
  EXPECT_EQ(json::Write(request->parameters), R"({"temperature":0.5,"stop":["a","b"]})");
  ASSERT_EQ(request->messages.size(), 1u);
  EXPECT_EQ(request->messages[0].content, "hi");
  EXPECT_THAT(request->licenses, ElementsAre("MIT", "x"));
  EXPECT_THAT(ParseCreate(R"({"model":"m","license":"one"})")->licenses, ElementsAre("one"));
  const auto files =
      ParseCreate(R"({"model":"m","files":{"a/b.gguf":"sha256:1"},"quantize":"q4_0"})");
  ASSERT_TRUE(files);
  EXPECT_EQ(files->files.at("a/b.gguf"), "sha256:1");
  EXPECT_EQ(files->quantize, "q4_0");
}

TEST(Create, RefusesWhatCannotBe) {
  EXPECT_EQ(Error(""), "missing request body");
  EXPECT_EQ(Error(R"({"files":{"../x":"sha256:1"}})"), "file path must be relative");
  EXPECT_EQ(Error(R"({"files":{"/x":"sha256:1"}})"), "file path must be relative");
  EXPECT_EQ(Error(R"({"files":{"":"sha256:1"}})"), "file path must be relative");
  EXPECT_EQ(Error(R"({"files":{"a//b":"sha256:1"}})"), "file path must be relative");
  EXPECT_EQ(Error(R"({"files":{"a":""}})"), "invalid digest format");
  EXPECT_EQ(Error(R"({"files":{"a":7}})"), "invalid digest format");
  EXPECT_EQ(Error(R"({"files":{}})"), "no files provided to convert");
  EXPECT_EQ(Error(R"({"from":"base","files":{}})"), "");
  EXPECT_THAT(Error(R"({"remote_host":"http://x"})"), HasSubstr("remote_host"));
  EXPECT_THAT(Error(R"({"adapters":{"a":"sha256:1"}})"), HasSubstr("adapter"));
  EXPECT_THAT(Error(R"({"draft_files":{"a":"sha256:1"}})"), HasSubstr("draft_files"));
  EXPECT_THAT(Error(R"({"renderer":"x"})"), HasSubstr("renderer"));
  EXPECT_EQ(Error(R"({"parameters":{"seed":"x"}})"), R"(option "seed" must be of type integer)");
  EXPECT_EQ(Error(R"({"parameters":{"sed":1}})"), "unknown parameter 'sed'");
  EXPECT_THAT(Error(R"({"parameters":[]})"), HasSubstr("\"parameters\""));
  EXPECT_THAT(Error(R"({"messages":[{"role":"boss","content":"x"}]})"), HasSubstr("message role"));
  EXPECT_THAT(Error(R"({"messages":[{"role":"user","content":"x","images":["aa"]}]})"),
              HasSubstr("images"));
  EXPECT_THAT(Error(R"({"license":[1]})"), HasSubstr("\"license\""));
  EXPECT_EQ(Error(R"({"requires":"soon"})"), "requires must be a valid semver (e.g. 0.14.0)");
  EXPECT_EQ(Error(R"({"requires":"v0.14.0"})"), "");
  EXPECT_THAT(Error(R"({"template":"{{ if .System }}x"})"), HasSubstr("template error: "));
  EXPECT_EQ(Error(R"({"remote_host":"","adapters":{},"draft_files":null,"renderer":""})"), "");
}

TEST(GoTemplate, ShapesOfOne) {
  for (const char* good :
       {"", "plain } text {", "{{ .Prompt }}",
        "{{- if .System }}{{ .System }}{{ else }}x{{- end -}}",
        "{{ range .Messages }}{{ with .Role }}{{ . }}{{ end }}{{ end }}", "{{/* }} */}}",
        "{{- /* a {{ b */ -}}", "{{ printf \"}}\" }}", "{{ `}}` }}", "{{ \"\\\"}}\" }}",
        "{{ if a }}{{ else if b }}{{ end }}", "{{ define \"x\" }}{{ end }}", "{{ .end }}"}) {
    EXPECT_TRUE(CheckGoTemplate(good)) << good;
  }
  for (const char* bad :
       {"{{", "{{ .Prompt", "{{ .Prompt }", "{{ if x }}", "{{ end }}", "{{ else }}",
        "{{ range x }}{{ end }}{{ end }}", "{{/* }}", "{{ \"}} }}"}) {
    const Status status = CheckGoTemplate(bad);
    ASSERT_FALSE(status) << bad;
    EXPECT_THAT(status.error().message, HasSubstr("template error: ")) << bad;
  }
}

TEST(Manage, CopyAndNamed) {
  EXPECT_EQ(ParseCopy(R"({"source":"a","destination":"b"})")->destination, "b");
  EXPECT_FALSE(ParseCopy(R"({"source":1})"));
  EXPECT_EQ(ParseNamed(R"({"name":"a"})")->model, "a");
  EXPECT_EQ(ParseNamed(R"({"name":"a","model":"b"})")->model, "b");
  EXPECT_FALSE(ParseNamed(R"({"model":"b","stream":false})")->stream);
  EXPECT_EQ(ParseNamed("{}")->model, "");
  EXPECT_EQ(WriteStatus("success"), R"({"status":"success"})");
}

std::string MustFail(std::string_view text) {
  const auto commands = ParseModelfile(text);
  return commands ? "" : commands.error().message;
}

TEST(Modelfile, ReadsCommandsValuesAndQuotes) {
  const auto commands = ParseModelfile(
      "\xef\xbb\xbf# a comment\r\nfrom  base:latest \r\n\nPARAMETER stop \"<|im_end|>\"\n"
      "PARAMETER num_ctx 4096\nSYSTEM \"\"\"\nline one\n  \"two\" \"\"\"\nMESSAGE user hello # no\n"
      "TEMPLATE \"{{ .Prompt }}\nend\"\nLICENSE");
  EXPECT_FALSE(commands);  // the last one has no value
  const auto good = ParseModelfile(
      "\xef\xbb\xbf# a comment\r\nfrom  base:latest \r\n\nPARAMETER stop \"<|im_end|>\"\n"
      "PARAMETER num_ctx 4096\nSYSTEM \"\"\"\nline one\n  \"two\" \"\"\"\nMESSAGE user hello # no\n"
      "TEMPLATE \"{{ .Prompt }}\nend\"\nLICENSE ");
  ASSERT_TRUE(good) << good.error().message;
  ASSERT_EQ(good->size(), 7u);
  EXPECT_EQ((*good)[0].name, "from");
  EXPECT_EQ((*good)[0].value, "base:latest");
  EXPECT_TRUE((*good)[1].parameter);
  EXPECT_EQ((*good)[1].value, "<|im_end|>");
  EXPECT_EQ((*good)[2].name, "num_ctx");
  EXPECT_EQ((*good)[3].value, "\nline one\n  \"two\" ");
  EXPECT_EQ((*good)[4].role, "user");
  EXPECT_EQ((*good)[4].value, "hello # no");
  EXPECT_EQ((*good)[5].value, "{{ .Prompt }}\nend");
  EXPECT_EQ((*good)[6].value, "");
}

TEST(Modelfile, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(MustFail(""), "no FROM line");
  EXPECT_EQ(MustFail("SYSTEM x"), "no FROM line");
  EXPECT_THAT(MustFail("FROM a\nBAD x"), HasSubstr("(line 2): command must be one of \"from\""));
  EXPECT_THAT(MustFail("FROM"), HasSubstr("unexpected EOF"));
  EXPECT_THAT(MustFail("FROM\nx"), HasSubstr("command must be one of"));
  EXPECT_THAT(MustFail("FROM a\nMESSAGE boss hi"), HasSubstr("(line 2): message role must be"));
  EXPECT_THAT(MustFail("FROM a\nSYSTEM \"\"\"never closed\n"), HasSubstr("unexpected EOF"));
  EXPECT_THAT(MustFail("FROM a\nSYSTEM \"\"\""), HasSubstr("unexpected EOF"));
  EXPECT_THAT(MustFail("FROM a\nPARAMETER x-y 1"), HasSubstr("a parameter needs"));
  EXPECT_THAT(MustFail("FROM a\nREQUIRES new"), HasSubstr("(line 2): requires must be a valid"));
  std::string many = "FROM a\n";
  for (int i = 0; i < 10'001; ++i) many += "LICENSE x\n";
  EXPECT_THAT(MustFail(many), HasSubstr("too many commands"));
}

TEST(Modelfile, IsReadAsItWasWritten) {
  const std::vector<ModelfileCommand> commands = {
      {.name = "from", .value = "base"},
      {.name = "system", .value = "two\nlines with \"quotes\""},
      {.name = "template", .value = " spaces "},
      {.name = "system", .value = "\"Hi\" is how you begin"},
      {.name = "stop", .value = "\"", .parameter = true},
      {.name = "top_k", .value = "40", .parameter = true},
      {.name = "message", .value = "hi\nthere", .role = "user"}};
  const auto again = ParseModelfile(WriteModelfile(commands));
  ASSERT_TRUE(again) << again.error().message;
  ASSERT_EQ(again->size(), commands.size());
  for (size_t i = 0; i < commands.size(); ++i) {
    EXPECT_EQ((*again)[i].name, commands[i].name);
    EXPECT_EQ((*again)[i].value, commands[i].value);
    EXPECT_EQ((*again)[i].role, commands[i].role);
    EXPECT_EQ((*again)[i].parameter, commands[i].parameter);
  }
}

TEST(Modelfile, ParametersHaveTypes) {
  EXPECT_EQ(json::Write(*ParseParameter("num_ctx", "4096")), "4096");
  EXPECT_EQ(json::Write(*ParseParameter("temperature", "0.5")), "0.5");
  EXPECT_EQ(json::Write(*ParseParameter("stop", "12")), R"(["12"])");
  EXPECT_EQ(json::Write(*ParseParameter("use_mmap", "true")), "true");
  EXPECT_FALSE(ParseParameter("num_ctx", "many"));
  EXPECT_EQ(ParseParameter("nothing", "1").error().message, "unknown parameter 'nothing'");
}

}  // namespace
}  // namespace axollama::api
