// `axollama run MODEL [PROMPT]`: one answer, or a plain chat.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>

#include "bundle/roots.h"
#include "cli/cli_main.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/own_server.h"
#include "cli/remote.h"
#include "cli/run_request.h"
#include "cli/signals.h"
#include "store/store.h"

namespace axollama::cli {
namespace {

constexpr size_t kMaxStdinBytes = 16u << 20;

// Writes what may be a part of an answer at once, so that a person sees it grow.
Status Print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return Fail(ErrorKind::kIo, "cannot write the answer to standard output");
  }
  return {};
}

// The server that answers: the one at OLLAMA_HOST, or one of our own.
struct Answerer {
  std::unique_ptr<OwnServer> own;  // declared first: ends after the Remote
  std::unique_ptr<Remote> remote;
  std::string model;
};

bool Lists(const json::Object& tags, std::string_view model) {
  const json::Value* models = json::Find(tags, "models");
  if (models == nullptr || !models->is_array()) return false;
  for (const json::Value& item : models->get_array()) {
    if (!item.is_object()) continue;
    const auto name = json::GetString(item.get_object(), "name", "");
    if (name && SameModel(*name, model)) return true;
  }
  return false;
}

Result<Answerer> OwnAnswerer(const RunOptions& options) {
  Answerer answerer;
  std::string root;
  answerer.model = options.model;
  if (options.model.find('/') != std::string::npos) {
    // A folder: it becomes a model called like it, in the root that is its parent.
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::canonical(options.model, error);
    if (error) {
      return Fail(ErrorKind::kNotFound,
                  fmt::format("no model folder {}: {}", options.model, error.message()));
    }
    root = folder.parent_path().string();
    answerer.model = folder.filename().string() + ":latest";
  } else {
    // Said before a server is started, which would only say it later.
    const store::Store models(store::OptionsFor(bundle::ModelRoots({})));
    AX_RETURN_IF_ERROR(models.Find(options.model));
  }
  AX_ASSIGN_OR_RETURN(answerer.own, OwnServer::Start(root, options.device));
  answerer.remote = std::make_unique<Remote>(answerer.own->address());
  return answerer;
}

Result<Answerer> FindAnswerer(const RunOptions& options) {
  const bool folder = options.model.find('/') != std::string::npos;
  if (options.own_server || folder) return OwnAnswerer(options);
  Answerer answerer;
  answerer.model = options.model;
  AX_ASSIGN_OR_RETURN(answerer.remote, Remote::FromEnvironment());
  const auto tags = answerer.remote->Get("/api/tags");
  if (tags && Lists(*tags, options.model)) return answerer;
  fmt::print(stderr, "{} {}: starting a server for this command\n",
             tags ? fmt::format("the server at {} does not list", answerer.remote->address())
                  : fmt::format("no server answers at {} for", answerer.remote->address()),
             options.model);
  return OwnAnswerer(options);
}

Status OneShot(Answerer& answerer, const RunOptions& options, const std::string& prompt) {
  std::optional<json::Object> last;
  AX_RETURN_IF_ERROR(answerer.remote->Stream(
      "/api/generate", GenerateBody(answerer.model, options, prompt),
      [&](const json::Object& object) -> Status {
        AX_ASSIGN_OR_RETURN(const std::string text, json::GetString(object, "response", ""));
        last = object;
        return Print(text);
      }));
  AX_RETURN_IF_ERROR(Print("\n\n"));
  if (options.verbose && last) std::fputs(SpeedsText(*last).c_str(), stderr);
  return {};
}

// One question at a time until /bye or the end of input; the whole talk goes along each time.
Status Chat(Answerer& answerer, const RunOptions& options, Input& input) {
  json::Array messages;
  if (!options.system.empty()) {
    messages.push_back(json::Object{{"role", "system"}, {"content", options.system}});
  }
  std::string question;
  while (true) {
    AX_RETURN_IF_ERROR(Print(">>> "));
    AX_ASSIGN_OR_RETURN(const bool more, input.ReadLine(&question));
    if (!more) return Print("\n");
    if (question == "/bye" || question == "/exit") return {};
    if (question.starts_with("/")) {
      AX_RETURN_IF_ERROR(Print("/bye ends the chat; everything else is sent to the model\n"));
      if (question == "/?" || question == "/help") continue;
    }
    if (question.empty()) continue;
    messages.push_back(json::Object{{"role", "user"}, {"content", question}});
    std::string answer;
    std::optional<json::Object> last;
    AX_RETURN_IF_ERROR(answerer.remote->Stream(
        "/api/chat", ChatBody(answerer.model, options, messages),
        [&](const json::Object& object) -> Status {
          last = object;
          const json::Value* message = json::Find(object, "message");
          if (message == nullptr || !message->is_object()) return {};
          AX_ASSIGN_OR_RETURN(const std::string text,
                              json::GetString(message->get_object(), "content", ""));
          answer += text;
          return Print(text);
        }));
    AX_RETURN_IF_ERROR(Print("\n\n"));
    if (options.verbose && last) std::fputs(SpeedsText(*last).c_str(), stderr);
    messages.push_back(json::Object{{"role", "assistant"}, {"content", answer}});
  }
}

Status Run(RunOptions options, std::string prompt, Signals& signals) {
  Input input(signals);
  const bool terminal = isatty(STDIN_FILENO) == 1;
  if (!terminal) {
    // As Ollama does: `cat notes | axollama run MODEL "sum this up"`.
    AX_ASSIGN_OR_RETURN(const std::string piped, input.ReadAll(kMaxStdinBytes));
    if (!piped.empty()) prompt = prompt.empty() ? piped : piped + " " + prompt;
    if (prompt.empty()) {
      return Fail(ErrorKind::kInvalid,
                  "no prompt: give one after the model's name, or on standard input");
    }
  }
  AX_ASSIGN_OR_RETURN(Answerer answerer, FindAnswerer(options));
  signals.OnInterrupt([&] { answerer.remote->Interrupt(); });
  const Status done =
      prompt.empty() ? Chat(answerer, options, input) : OneShot(answerer, options, prompt);
  signals.OnInterrupt(nullptr);
  return done;
}

}  // namespace

int RunMain(int argc, char** argv) {
  CLI::App app("Asks a model, once or in a chat", "axollama run");
  RunOptions options;
  std::vector<std::string> words;
  std::vector<std::string> settings;
  app.add_option("MODEL", options.model, "name (NAME or NAME:TAG), or a model folder with a '/'")
      ->required();
  app.add_option("PROMPT", words, "the question; without it, standard input or a chat");
  app.add_option("--system", options.system, "system message instead of the model's");
  app.add_option("--option", settings, "KEY=VALUE of Ollama's options, such as temperature=0")
      ->allow_extra_args(false);
  app.add_option("--keepalive", options.keep_alive, "how long the model stays loaded (5m, -1, 0)");
  app.add_option("--device", options.device,
                 "axcl, axengine or sim, for a server of the command's own");
  app.add_flag("--raw", options.raw, "use the prompt as it is, without the chat template");
  app.add_flag("--own-server", options.own_server,
               "do not use a running server: start one that ends with the command");
  app.add_flag("--verbose", options.verbose, "print speeds after each answer");
  int exit_code = 0;
  if (!ParseOrExit(app, argc, argv, &exit_code)) return exit_code;
  for (const std::string& setting : settings) {
    if (auto added = AddOption(setting, &options); !added) {
      fmt::print(stderr, "error: {}\n", added.error().message);
      return kWrongUsage;
    }
  }
  Signals signals;
  const Status done = Run(std::move(options), fmt::format("{}", fmt::join(words, " ")), signals);
  if (signals.interrupted()) return kInterrupted;
  return done ? 0 : Report(done.error());
}

}  // namespace axollama::cli
