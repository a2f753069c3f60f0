#include "sim/probe/probe_main.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>

#include "base/json.h"
#include "base/one_line.h"
#include "sim/config/config.h"
#include "sim/probe/machine.h"
#include "sim/probe/model_speed.h"

namespace axsim::probe {
namespace {

namespace json = axollama::json;

struct Report {
  std::string isa;
  uint32_t threads = 0;
  double read_bytes_per_s = 0;  // of the thread count that reads fastest
  double multiply_adds_per_s = 0;
  uint64_t bytes_per_token = 0;
  uint64_t multiply_adds_per_token = 0;
  Speeds speeds;

  double decode_bytes_per_s() const {
    return static_cast<double>(bytes_per_token) * speeds.decode_tokens_per_s;
  }
  double prefill_multiply_adds_per_s() const {
    return static_cast<double>(multiply_adds_per_token) * speeds.prefill_tokens_per_s;
  }
  double tokens_per_s_of_memory() const {
    return read_bytes_per_s / static_cast<double>(bytes_per_token);
  }
};

axollama::Result<Report> MakeReport(const std::string& folder, uint32_t threads) {
  AX_ASSIGN_OR_RETURN(const config::Config config, config::Load(""));
  AX_ASSIGN_OR_RETURN(const LoadedModel loaded, LoadFolder(folder));
  if (threads == 0) threads = config.threads;
  AX_ASSIGN_OR_RETURN(const auto executor,
                      model::Executor::Create({.threads = threads, .isa = config.isa}));
  Report report;
  AX_ASSIGN_OR_RETURN(report.speeds, Measure(loaded, *executor));
  report.isa = executor->isa();
  report.bytes_per_token = loaded.weight_bytes;
  report.multiply_adds_per_token = loaded.layer_multiply_adds;
  report.threads = threads != 0 ? threads : std::max(1u, std::thread::hardware_concurrency());
  for (uint32_t t = 1; t <= std::min(report.threads, 4u); ++t) {
    report.read_bytes_per_s = std::max(report.read_bytes_per_s, ReadSpeed(t));
  }
  report.multiply_adds_per_s = MultiplyAddSpeed(*kernels::Find(report.isa.c_str()), report.threads);
  return report;
}

std::string Json(const Report& r) {
  json::Object object;
  object["isa"] = r.isa;
  object["threads"] = r.threads;
  object["read_gb_per_s"] = r.read_bytes_per_s / 1e9;
  object["peak_gflop_per_s"] = 2 * r.multiply_adds_per_s / 1e9;
  object["bytes_per_token"] = r.bytes_per_token;
  object["multiply_adds_per_token"] = r.multiply_adds_per_token;
  object["tokens_per_s_of_memory"] = r.tokens_per_s_of_memory();
  object["decode_tokens_per_s"] = r.speeds.decode_tokens_per_s;
  object["decode_gb_per_s"] = r.decode_bytes_per_s() / 1e9;
  object["prefill_tokens_per_s"] = r.speeds.prefill_tokens_per_s;
  object["prefill_gflop_per_s"] = 2 * r.prefill_multiply_adds_per_s() / 1e9;
  return json::Write(object) + "\n";
}

std::string Text(const Report& r) {
  return fmt::format(
      "machine  {}, {} threads: reads {:.1f} GB/s, {:.0f} GFLOP/s on registers\n"
      "decode   {:.1f} tokens/s: {:.1f} GB/s, {:.0f} % of the read speed\n"
      "prefill  {:.0f} tokens/s: {:.0f} GFLOP/s, {:.0f} % of the peak\n"
      "a token reads {:.1f} MB of weights: memory allows {:.0f} tokens/s\n",
      r.isa, r.threads, r.read_bytes_per_s / 1e9, 2 * r.multiply_adds_per_s / 1e9,
      r.speeds.decode_tokens_per_s, r.decode_bytes_per_s() / 1e9,
      100 * r.decode_bytes_per_s() / std::max(r.read_bytes_per_s, 1.0),
      r.speeds.prefill_tokens_per_s, 2 * r.prefill_multiply_adds_per_s() / 1e9,
      100 * r.prefill_multiply_adds_per_s() / r.multiply_adds_per_s,
      static_cast<double>(r.bytes_per_token) / 1e6, r.tokens_per_s_of_memory());
}

}  // namespace

int ProbeMain(int argc, char** argv) {
  std::string folder;
  uint32_t threads = 0;
  bool as_json = false;
  CLI::App app{"A model's speed on this CPU beside what memory and multipliers give at best",
               argv[0]};
  app.add_option("MODEL", folder, "folder that `axollama sim build` made")->required();
  app.add_option("--threads", threads, "0: the fastest count")->check(CLI::Range(0, 256));
  app.add_flag("--json", as_json, "one JSON object");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    std::fputs(
        fmt::format("error: {} (--help lists the options)\n", axollama::OneLine(error.what()))
            .c_str(),
        stderr);
    return 2;
  }
  const auto report = MakeReport(folder, threads);
  if (!report) {
    std::fputs(fmt::format("error: {}\n", axollama::OneLine(report.error().message)).c_str(),
               stderr);
    return 1;
  }
  std::fputs((as_json ? Json(*report) : Text(*report)).c_str(), stdout);
  return 0;
}

}  // namespace axsim::probe
