#include "sim/build/build_main.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/one_line.h"
#include "sim/build/builder.h"

namespace axsim::build {
namespace {

constexpr int kFailed = 1, kUsage = 2, kInterrupted = 130;

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "the signal handler stores it");

// A file of the bundle must not get the number of a stream that the caller closed: progress would
// be written into it.
void OccupyStandardStreams() {
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) close(fd);
}

void CatchSignals() {
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = true; };
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
  // A reader of our progress that has gone must not end the build in the middle.
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

// Unlike fmt::print this does not throw when the reader has gone or a signal comes in between.
void Say(FILE* to, const std::string& text) {
  std::fputs(text.c_str(), to);
  std::fflush(to);
}

// A bar on a terminal, else a line per tenth.
class ProgressPrinter {
 public:
  void Show(uint64_t done, uint64_t total) {
    const int percent = static_cast<int>(done * 100 / total);
    if (percent == shown_ || (!terminal_ && percent < shown_ + 10)) return;
    shown_ = terminal_ ? percent : percent / 10 * 10;
    if (terminal_) {
      const int full = percent * kWidth / 100;
      Say(stderr,
          fmt::format("\rbuilding [{:#>{}}{:.>{}}] {:3} %", "", full, "", kWidth - full, percent));
    } else {
      Say(stderr, fmt::format("building: {} %\n", shown_));
    }
  }
  void End() {
    if (terminal_ && shown_ > 0) Say(stderr, "\r\x1b[K");
  }

 private:
  static constexpr int kWidth = 40;
  const bool terminal_ = isatty(STDERR_FILENO) == 1;
  int shown_ = 0;
};

int Usage(std::string_view what) {
  Say(stderr, fmt::format("error: {} (axollama-sim build --help lists the options)\n", what));
  return kUsage;
}

}  // namespace

int BuildMain(int argc, char** argv) {
  OccupyStandardStreams();
  BuildOptions options;
  std::string weights = "s8";
  std::vector<uint32_t> ladder;
  CLI::App app{"Makes a bundle for the simulated card from a model", "axollama-sim build"};
  app.add_option("SRC", options.source, "GGUF file, or Hugging Face folder with safetensors");
  app.add_option("OUT", options.out, "folder to make");
  app.add_option("--geometry", options.geometry,
                 "instead of SRC a model's name, as qwen3-4b: makes files of its sizes without its "
                 "weights, to study its speed");
  app.add_option("--weights", weights, "s8, s4 or bf16")
      ->check(CLI::IsMember({"s8", "s4", "bf16"}))
      ->capture_default_str();
  std::string layout = "layers";
  app.add_option("--layout", layout,
                 "files of the bundle: layers (one per layer), split (model_prefill.axmodel and "
                 "model_decode.axmodel, which hold the weights twice) or single (model.axmodel)")
      ->check(CLI::IsMember({"layers", "split", "single"}))
      ->capture_default_str();
  app.add_option("--context", options.context_tokens, "positions the model can hold")
      ->capture_default_str();
  app.add_option("--prefill-len", options.chunk_tokens, "rows of a prefill chunk")
      ->capture_default_str();
  CLI::Option* ladder_option =
      app.add_option("--ladder", ladder,
                     "histories of the prefill groups, as 0,128,256 (default: every multiple of "
                     "the chunk below the context)")
          ->delimiter(',');
  app.add_flag("--embedding", options.embedding,
               "makes a model for embeddings: its post model ends after the last norm, and what it "
               "says of the last token is the text's vector");
  app.add_flag("--force", options.force, "replace an earlier bundle in OUT");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    Say(stdout, app.help());
    return 0;
  } catch (const CLI::ParseError& error) {
    return Usage(axollama::OneLine(error.what()));
  }
  if (!options.geometry.empty() && options.out.empty()) {
    std::swap(options.source, options.out);
  } else if (!options.geometry.empty()) {
    return Usage("--geometry takes no SRC");
  }
  if (options.out.empty()) return Usage("SRC and OUT are needed");
  if (weights == "bf16") options.weights = spec::WeightType::kBf16;
  if (weights == "s4") options.weights = spec::WeightType::kS4;
  options.layout = ParseLayout(layout).value_or(options.layout);
  if (ladder_option->count() > 0) options.ladder = ladder;
  if (const auto status = CheckOptions(options); !status) return Usage(status.error().message);

  CatchSignals();
  const int64_t start_ns = axollama::MonotonicNs();
  ProgressPrinter printer;
  const auto report = Build(
      options, [] { return interrupted.load(); },
      [&](uint64_t done, uint64_t total) { printer.Show(done, total); });
  printer.End();
  if (!report) {
    if (report.error().kind == axollama::ErrorKind::kCancelled) {
      Say(stderr, fmt::format("interrupted: {} was not made\n", options.out.string()));
      return kInterrupted;
    }
    Say(stderr, fmt::format("error: {}\n", axollama::OneLine(report.error().message)));
    return kFailed;
  }
  Say(stdout,
      fmt::format(
          "{}: {}, {} layers ({}), {:.1f} million weights as {}, context {}, {:.0f} MB, {:.1f} s\n",
          options.out.string(), report->model_type, report->layers, LayoutName(options.layout),
          static_cast<double>(report->parameters) / 1e6, weights, options.context_tokens,
          static_cast<double>(report->size_bytes) / 1e6,
          static_cast<double>(axollama::MonotonicNs() - start_ns) / 1e9));
  if (report->s4_error > 0) {
    Say(stdout, fmt::format("s4 changed the layers' weights by {:.1f} % (root of mean squares); "
                            "`axollama perplexity` says what that costs on a text\n",
                            report->s4_error * 100));
  }
  return 0;
}

}  // namespace axsim::build
