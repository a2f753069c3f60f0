// axollama: one program, a subcommand for each thing it does. Each room brings its own.

#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "cli/cli_main.h"
#include "cli/completion.h"
#include "runner/bench_main.h"
#include "runner/perplexity_main.h"
#include "runner/runner_main.h"
#include "server/child.h"
#include "server/serve_main.h"
#include "store/resolve.h"
#include "warden/warden_main.h"

namespace {

using axollama::cli::CommandInfo;
using axollama::cli::Operand;

struct Command {
  CommandInfo info;  // without help: started by axollama itself, not listed
  int (*main)(int argc, char** argv);
};

int CompletionMain(int argc, char** argv);

int BenchMain(int argc, char** argv) {
  return axollama::runner::BenchMain(argc, argv, axollama::store::ResolveModel);
}

int PerplexityMain(int argc, char** argv) {
  return axollama::runner::PerplexityMain(argc, argv, axollama::store::ResolveModel);
}

constexpr Command kCommands[] = {
    {{"serve", "run the server"}, axollama::server::ServeMain},
    {{"run", "ask a model, or chat with it", Operand::kModel}, axollama::cli::RunMain},
    {{"list", "list the models"}, axollama::cli::ListMain},
    {{"ps", "list the loaded models"}, axollama::cli::PsMain},
    {{"show", "show what is known of a model", Operand::kModel}, axollama::cli::ShowMain},
    {{"stop", "take a model from the card", Operand::kModel}, axollama::cli::StopMain},
    {{"pull", "bring a model from the Hugging Face hub"}, axollama::cli::PullMain},
    {{"catalog", "list the models that can be pulled"}, axollama::cli::CatalogMain},
    {{"add", "give a model folder a name", Operand::kFile}, axollama::cli::AddMain},
    {{"create", "make a model as a Modelfile says", Operand::kFile}, axollama::cli::CreateMain},
    {{"cp", "give a model a second name", Operand::kModel}, axollama::cli::CpMain},
    {{"rm", "remove models", Operand::kModel}, axollama::cli::RmMain},
    {{"embed", "print texts as vectors", Operand::kModel}, axollama::cli::EmbedMain},
    {{"key", "make, list and remove API keys"}, axollama::cli::KeyMain},
    {{"sim", "make models for the simulated card, or make it fail", Operand::kFile},
     axollama::cli::SimMain},
    {{"bench", "measure a model's speeds", Operand::kModel}, BenchMain},
    {{"perplexity", "measure how well a model predicts a text", Operand::kModel}, PerplexityMain},
    {{"completion", "print a script that completes these commands in a shell"}, CompletionMain},
    {{"runner", ""}, axollama::runner::RunnerMain},
    {{"warden", ""}, axollama::warden::WardenMain},
};

int CompletionMain(int argc, char** argv) {
  std::vector<CommandInfo> infos;
  for (const Command& command : kCommands) infos.push_back(command.info);
  return axollama::cli::CompletionMain(argc, argv, infos);
}

void PrintHelp(std::FILE* to) {
  fmt::print(to,
             "axollama: language models on an AXERA card, with Ollama's API\n\n"
             "Usage: axollama COMMAND [OPTIONS]\n\nCommands:\n");
  for (const Command& command : kCommands) {
    const CommandInfo& info = command.info;
    if (!info.help.empty()) fmt::print(to, "  {:<12} {}\n", info.name, info.help);
  }
  fmt::print(to,
             "\n`axollama COMMAND --help` explains one; `axollama --version` names this one.\n");
}

int Run(int argc, char** argv) {
  std::string_view word = argc > 1 ? argv[1] : "";
  if (word == "ls") word = "list";  // as Ollama calls it too
  if (word == "--version" || word == "-v" || word == "version") {
    fmt::print("axollama {}\n", AXOLLAMA_VERSION);
    return 0;
  }
  if (word == "--help" || word == "-h" || word == "help") {
    PrintHelp(stdout);
    return 0;
  }
  for (const Command& command : kCommands) {
    if (command.info.name != word) continue;
    std::string name = "axollama " + std::string(word);
    std::vector<char*> rest(argv + 1, argv + argc);
    rest[0] = name.data();
    rest.push_back(nullptr);
    return command.main(argc - 1, rest.data());
  }
  if (word.empty()) {
    PrintHelp(stderr);
  } else {
    fmt::print(stderr, "error: no command \"{}\": `axollama --help` lists them\n", word);
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) try {
  // A socket that got the number of a closed standard stream would take what is printed.
  axollama::server::KeepStandardDescriptors();
  const int code = Run(argc, argv);
  if (std::fflush(stdout) != 0 && code == 0) {
    std::fputs("error: cannot write to standard output\n", stderr);
    return 1;
  }
  return code;
} catch (const std::exception& error) {  // fmt throws when it cannot write
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
