#include "runner/perplexity_main.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "bundle/roots.h"
#include "runner/arguments.h"
#include "runner/interrupt.h"
#include "runner/loader.h"
#include "runner/perplexity.h"

namespace axollama::runner {
namespace {

struct Arguments {
  std::string model, file, dump;
  std::vector<std::string> roots;
  std::string device;
  std::optional<int32_t> device_id;
  uint32_t window = 0;
  bool json = false;
};

std::string DumpLine(const ScoredToken& token) {
  std::string line =
      fmt::format("{{\"id\":{},\"logprob\":{:.6f},\"top\":[", token.id, token.logprob);
  for (size_t i = 0; i < token.top.size(); ++i) {
    fmt::format_to(std::back_inserter(line), "{}[{},{:.6f}]", i == 0 ? "" : ",", token.top[i].first,
                   token.top[i].second);
  }
  line += "]}\n";
  return line;
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// What is no regular file (a pipe) has nothing to lose.
Status Empty(std::FILE* file, const std::string& name) {
  struct stat facts;
  const int fd = fileno(file);
  if (fstat(fd, &facts) == 0 && (!S_ISREG(facts.st_mode) || ftruncate(fd, 0) == 0)) return {};
  return Fail(ErrorKind::kIo, "cannot write " + name);
}

Result<json::Object> Measure(const Arguments& arguments, device::Backend backend,
                             const FindModel& find_model) {
  AX_ASSIGN_OR_RETURN(const bundle::ModelRef model,
                      find_model(bundle::ModelRoots(arguments.roots), arguments.model));
  AX_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments.file));
  std::unique_ptr<std::FILE, CloseFile> dump;
  if (!arguments.dump.empty()) {
    // An older file keeps its lines until there are new ones.
    dump.reset(std::fopen(arguments.dump.c_str(), "ae"));
    if (dump == nullptr) return Fail(ErrorKind::kIo, "cannot write " + arguments.dump);
  }

  LoadRequest request;
  request.folder = model.folder;
  request.backend = backend;
  request.device_id = arguments.device_id;
  request.stop = Interrupted;
  AX_ASSIGN_OR_RETURN(const Loaded loaded, Load(request));
  AX_ASSIGN_OR_RETURN(
      const std::vector<int32_t> tokens,
      loaded.info->tokenizer->Encode(text, {.add_special = true, .parse_special = false}));
  if (dump != nullptr) AX_RETURN_IF_ERROR(Empty(dump.get(), arguments.dump));
  const uint32_t window =
      arguments.window == 0 ? loaded.info->limits.context_tokens : arguments.window;
  AX_ASSIGN_OR_RETURN(const Score score,
                      ScoreTokens(*loaded.parts.model, loaded.parts.gate.get(), tokens, window,
                                  Interrupted, [&](const ScoredToken& token) -> Status {
                                    if (dump == nullptr) return {};
                                    if (std::fputs(DumpLine(token).c_str(), dump.get()) >= 0)
                                      return {};
                                    return Fail(ErrorKind::kIo, "cannot write " + arguments.dump);
                                  }));
  if (dump != nullptr && std::fflush(dump.get()) != 0) {
    return Fail(ErrorKind::kIo, "cannot write " + arguments.dump);
  }
  return json::Object{{"model", model.name},        {"device", loaded.info->backend},
                      {"window_tokens", window},    {"windows", score.windows},
                      {"tokens", tokens.size()},    {"scored_tokens", score.scored_tokens},
                      {"mean_nll", score.mean_nll}, {"perplexity", score.perplexity}};
}

}  // namespace

int PerplexityMain(int argc, char** argv, const FindModel& find_model) {
  Arguments arguments;
  CLI::App app{"Measures how well a model predicts a text.", argv[0]};
  app.add_option("MODEL", arguments.model, "a model's name, or a folder (with a '/')")->required();
  app.add_option("FILE", arguments.file, "the text, UTF-8")->required();
  app.add_option("--models", arguments.roots, "a model root; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--device", arguments.device,
                 "axcl, axengine or sim; default: what the model is made for");
  app.add_option("--device-id", arguments.device_id, "the card's id; default: the first card");
  app.add_option("--window", arguments.window, "tokens of a window; default: the model's context")
      ->check(CLI::Range(2, 1 << 20));
  app.add_option("--dump", arguments.dump, "write one line of JSON for each scored token to OUT");
  app.add_flag("--json", arguments.json, "one JSON object instead of a table");
  if (const std::optional<int> code = ParseArguments(app, argc, argv)) return *code;
  const Result<device::Backend> backend = device::ParseBackend(arguments.device);
  if (!backend) return Say(kUsageExit, backend.error().message);
  InitQuietLog("perplexity");
  CatchInterrupts();

  const Result<json::Object> measured = Measure(arguments, *backend, find_model);
  if (Interrupted()) return kInterruptedExit;
  if (!measured) return Say(kFailedExit, measured.error().message);
  if (arguments.json) {
    fmt::print("{}\n", json::Write(*measured));
  } else {
    for (const auto& [key, value] : *measured) {
      const json::String* text = value.if_string();
      fmt::print("{:<14} {}\n", std::string(key),
                 text != nullptr ? std::string(*text) : json::Write(value));
    }
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace axollama::runner
