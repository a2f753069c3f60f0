// Modelfiles as requests, progress as lines, completion scripts, what `show` prints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/completion.h"
#include "cli/create_request.h"
#include "cli/progress_view.h"
#include "cli/show_text.h"

namespace axollama::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(CreateRequest, AModelfileBecomesOneRequest) {
  const auto commands = api::ParseModelfile(
      "FROM smollm2:135m\nSYSTEM be brief\nTEMPLATE {{ .Prompt }}\nPARAMETER temperature 0.5\n"
      "PARAMETER stop a\nPARAMETER stop b\nMESSAGE user hi\nMESSAGE assistant hello\n"
      "LICENSE one\nLICENSE two\n");
  ASSERT_TRUE(commands) << commands.error().message;
  const auto plan = PlanCreate("mine", *commands, "q8_0");
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->from, "smollm2:135m");
  EXPECT_EQ(json::Write(plan->body),
            R"({"model":"mine","system":"be brief","template":"{{ .Prompt }}","messages":[)"
            R"({"role":"user","content":"hi"},{"role":"assistant","content":"hello"}],)"
            R"("license":["one","two"],"parameters":{"temperature":0.5,"stop":["a","b"]},)"
            R"("quantize":"q8_0"})");
  for (const char* text : {"FROM a\nFROM b\n", "FROM a\nADAPTER x.gguf\n", "FROM a\nDRAFT x\n",
                           "FROM a\nPARAMETER seed x\n"}) {
    const auto bad = api::ParseModelfile(text);
    ASSERT_TRUE(bad) << text;
    EXPECT_EQ(PlanCreate("mine", *bad, "").error().kind, ErrorKind::kInvalid) << text;
  }
}

json::Object Line(std::string_view text) { return *json::ParseObject(text, "line"); }

TEST(ProgressView, PlainLinesWithoutATerminal) {
  ProgressView view(0);
  EXPECT_EQ(view.Update(Line(R"({"status":"pulling manifest"})"), 0), "pulling manifest\n");
  EXPECT_EQ(view.Update(Line(R"({"status":"pulling manifest"})"), 0), "");
  const auto pulling = [&](int completed) {
    json::Object line{{"status", "pulling abc"}, {"digest", "sha256:abc"}, {"total", 2'000'000}};
    line["completed"] = completed;
    return view.Update(line, 0);
  };
  EXPECT_EQ(pulling(0), "pulling abc: 0% of 2.0 MB\n");
  EXPECT_EQ(pulling(100'000), "");
  EXPECT_EQ(pulling(1'000'000), "pulling abc: 50% of 2.0 MB\n");
  EXPECT_EQ(pulling(2'000'000), "pulling abc: 100% of 2.0 MB\n");
  EXPECT_EQ(view.Update(Line(R"({"status":"success"})"), 0), "success\n");
  EXPECT_EQ(view.Update(Line(R"({"status":"a\nb\u001b[2J"})"), 0), "a b [2J\n");
  EXPECT_EQ(view.Update({}, 0), "");
}

TEST(ProgressView, BarsAreDrawnAnewBelowWhatIsFinished) {
  ProgressView view(80);
  const auto pulling = [&](const char* digest, int completed, int64_t now_ms) {
    json::Object line{{"status", std::string("pulling ") + digest}, {"total", 1'000'000}};
    line["digest"] = digest;
    line["completed"] = completed;
    return view.Update(line, now_ms * 1'000'000);
  };
  EXPECT_THAT(pulling("a", 0, 1'000), HasSubstr("pulling a:   0% [>"));
  EXPECT_EQ(pulling("b", 0, 1'010), "");  // drawn a moment ago
  const std::string both = pulling("a", 500'000, 2'000);
  EXPECT_THAT(both, testing::StartsWith("\x1b[1A\r\x1b[J"));
  EXPECT_THAT(both, HasSubstr("pulling a:  50% [="));
  EXPECT_THAT(both, HasSubstr("500 KB/s"));
  EXPECT_THAT(both, HasSubstr("pulling b:   0%"));
  const std::string finished = pulling("a", 1'000'000, 2'010);
  EXPECT_THAT(finished, testing::StartsWith("\x1b[2A\r\x1b[Jpulling a: 100% ["));
  EXPECT_EQ(pulling("a", 1'000'000, 2'020), "");
  EXPECT_THAT(pulling("b", 1'000'000, 3'000), Not(HasSubstr("pulling a")));
}

TEST(ProgressView, BarsFitTheirLine) {
  for (int columns = 1; columns < 120; ++columns) {
    EXPECT_LE(BarText("pulling 0123456789ab", 400, 1'000, 10, columns).size(),
              static_cast<size_t>(std::max(1, columns - 1)));
  }
  EXPECT_THAT(BarText("x", 3, 2, 0, 80), HasSubstr("100%"));
  EXPECT_THAT(BarText("x", 0, 0, 0, 80), HasSubstr("  0%"));
}

TEST(Completion, ScriptsNameTheCommands) {
  const CommandInfo commands[] = {{"run", "ask it's model", Operand::kModel},
                                  {"add", "add a folder", Operand::kFile},
                                  {"list", "list"},
                                  {"hidden", ""}};
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const auto script = CompletionScript(shell, commands);
    ASSERT_TRUE(script);
    for (const char* word : {"run", "add", "list", "axollama list", "--help"}) {
      EXPECT_THAT(*script, HasSubstr(word)) << shell;
    }
    EXPECT_THAT(*script, Not(HasSubstr("hidden")));
    for (const char* mark : {"@ALL@", "@DESCRIBED@", "@MODEL@", "@FILE@"}) {
      EXPECT_THAT(*script, Not(HasSubstr(mark))) << shell;
    }
  }
  EXPECT_THAT(*CompletionScript("zsh", commands), HasSubstr("'run:ask it'\\''s model'"));
  EXPECT_EQ(CompletionScript("tcsh", commands).error().kind, ErrorKind::kInvalid);
}

TEST(ShowText, SectionsOfWhatThereIs) {
  const json::Object answer =
      Line(R"({"details":{"family":"llama","parameter_size":"134.5M","quantization_level":"Q4"},)"
           R"("model_info":{"general.architecture":"llama","llama.context_length":2048},)"
           R"("capabilities":["completion"],"parameters":"stop      \"a\"\nstop      \"b c\"",)"
           R"("system":"be\nbrief\nand\nkind","license":""})");
  EXPECT_EQ(ShowText(answer, false),
            "  Model\n    architecture        llama\n    parameters          134.5M\n"
            "    context length      2048\n    quantization        Q4\n\n"
            "  Capabilities\n    completion\n\n"
            "  Parameters\n    stop                \"a\"\n    stop                \"b c\"\n\n"
            "  System\n    be\n    brief\n    ...\n\n");
  EXPECT_THAT(ShowText(answer, true), HasSubstr("    kind\n"));
  EXPECT_THAT(ShowText(answer, true), HasSubstr("llama.context_length    2048\n"));
  EXPECT_EQ(ShowText({}, true), "");
}

}  // namespace
}  // namespace axollama::cli
