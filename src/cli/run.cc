// `axollama run MODEL [PROMPT]`: one answer, or a chat.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "base/env.h"
#include "cli/answerer.h"
#include "cli/chat.h"
#include "cli/cli_main.h"
#include "cli/command.h"
#include "cli/history_file.h"
#include "cli/input.h"
#include "cli/line_reader.h"
#include "cli/run_request.h"
#include "cli/signals.h"
#include "cli/vectors.h"

namespace axollama::cli {
namespace {

constexpr size_t kMaxStdinBytes = 16u << 20;

Status OneShot(Answerer& answerer, const RunOptions& options, const std::string& prompt) {
  AnswerView view(ViewFor(options));
  json::Object last;
  const Status asked = answerer.remote->Stream(
      "/api/generate", GenerateBody(answerer.model, options, prompt),
      [&](const json::Object& object) -> Status {
        last = object;
        return Print(view.Piece(TextField(object, "thinking"), TextField(object, "response")));
      });
  AX_RETURN_IF_ERROR(Print(view.End() + (asked ? "\n\n" : "")));
  if (asked && options.verbose) std::fputs(SpeedsText(last).c_str(), stderr);
  return asked;
}

// As Ollama's does it: with a model that answers no prompt, the prompt is the text.
Status Vector(Answerer& answerer, const RunOptions& options, const std::string& prompt) {
  if (prompt.empty()) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("embedding models require input text. Usage: axollama run {} "
                            "\"your text here\"",
                            options.model));
  }
  json::Object body{{"model", answerer.model}, {"input", prompt}, {"options", options.options}};
  if (!options.keep_alive.empty()) body["keep_alive"] = KeepAliveValue(options.keep_alive);
  return PrintVectors(*answerer.remote, body, false);
}

Status StartChat(Answerer& answerer, const RunOptions& options, Signals& signals) {
  const bool editing = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
  const auto reader = editing ? LineReader::Editing(STDIN_FILENO, STDOUT_FILENO,
                                                    HistoryFile::DefaultPath(), signals)
                              : LineReader::Plain(signals);
  if (IsEnvOn("OLLAMA_NOHISTORY")) reader->SetHistory(false);
  return Chat(&answerer, options, reader.get(), &signals).Run();
}

Status Run(const RunOptions& options, std::string prompt, Signals& signals) {
  if (isatty(STDIN_FILENO) != 1) {
    // As Ollama does: `cat notes | axollama run MODEL "sum this up"`.
    AX_ASSIGN_OR_RETURN(const std::string piped, Input(signals).ReadAll(kMaxStdinBytes));
    if (!piped.empty()) prompt = prompt.empty() ? piped : piped + " " + prompt;
    if (prompt.empty()) {
      return Fail(ErrorKind::kInvalid,
                  "no prompt: give one after the model's name, or on standard input");
    }
  }
  AX_ASSIGN_OR_RETURN(Answerer answerer, FindAnswerer(options));
  signals.OnInterrupt([&] { answerer.remote->Interrupt(); });
  const auto ask = [&]() -> Status {
    AX_ASSIGN_OR_RETURN(const bool vectors, MakesVectors(*answerer.remote, answerer.model));
    if (vectors) return Vector(answerer, options, prompt);
    return prompt.empty() ? StartChat(answerer, options, signals)
                          : OneShot(answerer, options, prompt);
  };
  const Status done = ask();
  signals.OnInterrupt(nullptr);
  return done;
}

// What the options' texts say; false after one line of error.
bool Understand(const std::vector<std::string>& settings, const std::string& format,
                const std::string& think, RunOptions* options) {
  Status done;
  for (const std::string& setting : settings) {
    if (done) done = AddOption(setting, options);
  }
  if (done && !format.empty()) {
    auto value = ParseFormat(format);
    if (value) options->format = *std::move(value);
    if (!value) done = Fail(value.error());
  }
  if (done && !think.empty()) {
    auto value = ParseThink(think);
    if (value) options->think = *std::move(value);
    if (!value) done = Fail(value.error());
  }
  if (!done) Report(done.error());
  return done.has_value();
}

}  // namespace

int RunMain(int argc, char** argv) {
  CLI::App app("Asks a model, once or in a chat", "axollama run");
  RunOptions options;
  std::vector<std::string> words;
  std::vector<std::string> settings;
  std::string format, think;
  bool no_word_wrap = false;
  app.add_option("MODEL", options.model, "name (NAME or NAME:TAG), or a model folder with a '/'")
      ->required();
  app.add_option("PROMPT", words, "the question; without it, standard input or a chat");
  app.add_option("--system", options.system, "system message instead of the model's");
  app.add_option("--option", settings, "KEY=VALUE of Ollama's options, such as temperature=0")
      ->allow_extra_args(false);
  app.add_option("--format", format, "json, or a JSON Schema that the answer follows");
  app.add_flag("--think", think,
               "think first: --think, --think=false, --think=low, medium, high or max");
  app.add_flag("--hidethinking", options.hide_thinking, "do not show what the model thinks");
  app.add_option("--keepalive", options.keep_alive, "how long the model stays loaded (5m, -1, 0)");
  app.add_option("--device", options.device,
                 "axcl, axengine or sim, for a server of the command's own");
  app.add_flag("--raw", options.raw, "use the prompt as it is, without the chat template");
  app.add_flag("--own-server", options.own_server,
               "do not use a running server: start one that ends with the command");
  app.add_flag("--nowordwrap", no_word_wrap, "do not break lines between words");
  app.add_flag("--verbose", options.verbose, "print speeds after each answer");
  int exit_code = 0;
  if (!ParseOrExit(app, argc, argv, &exit_code)) return exit_code;
  options.word_wrap = !no_word_wrap;
  if (!Understand(settings, format, think, &options)) return kWrongUsage;
  Signals signals;
  const Status done = Run(options, fmt::format("{}", fmt::join(words, " ")), signals);
  if (signals.interrupted()) return kInterrupted;
  return done ? 0 : Report(done.error());
}

}  // namespace axollama::cli
