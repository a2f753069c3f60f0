// `axollama catalog`: what AXERA has published for the card, best fit first.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <optional>

#include "base/env.h"
#include "base/json.h"
#include "cli/cli_main.h"
#include "cli/command.h"
#include "cli/remote.h"
#include "pull/catalog.h"

namespace axollama::cli {
namespace {

using pull::Figure;
using pull::Source;

constexpr uint64_t kMib = 1u << 20;

// Of the card that a server on this machine runs with; nothing when there is none to ask.
std::optional<uint64_t> CardMemoryMib() {
  auto remote = Remote::FromEnvironment();
  if (!remote) return std::nullopt;
  const auto health = (*remote)->Get("/health");
  if (!health) return std::nullopt;
  const double total_mib = json::GetDouble(*health, "memory_total_mb", 0).value_or(0);
  if (total_mib < 1) return std::nullopt;
  return static_cast<uint64_t>(total_mib);
}

// Where models are put, or the nearest folder above that is there.
std::optional<uint64_t> FreeDiskMib() {
  std::filesystem::path folder = HomeDir();
  struct statvfs disk{};
  while (statvfs(folder.c_str(), &disk) != 0) {
    if (!folder.has_relative_path()) return std::nullopt;
    folder = folder.parent_path();
  }
  return uint64_t{disk.f_bavail} * disk.f_frsize / kMib;
}

std::string Size(const Figure& figure) {
  if (figure.source == Source::kNone) return "-";
  return HumanBytes(static_cast<uint64_t>(figure.value * kMib)) +
         (figure.source == Source::kComputed ? "*" : "");
}

std::string Count(const Figure& figure) {
  return figure.source == Source::kNone ? "-" : fmt::format("{:.0f}", figure.value);
}

std::string Speed(const Figure& figure) {
  if (figure.source == Source::kNone) return "-";
  return fmt::format("{:.1f}{}", figure.value, figure.source == Source::kComputed ? "*" : "");
}

std::string Fits(const pull::Ranked& ranked, std::optional<uint64_t> disk_mib) {
  const Figure& download = ranked.entry->download_mib;
  if (ranked.fits == false) return "no: card";
  if (disk_mib && download.value > static_cast<double>(*disk_mib)) return "no: disk";
  return ranked.fits ? "yes" : "?";
}

json::Value FigureJson(const Figure& figure) {
  if (figure.source == Source::kNone) return nullptr;
  return json::Object{{"value", figure.value},
                      {"source", pull::SourceText(figure.source)},
                      {"computed", figure.source == Source::kComputed}};
}

void PrintJson(const std::vector<pull::Ranked>& ranked, std::optional<uint64_t> disk_mib) {
  json::Array models;
  for (const pull::Ranked& one : ranked) {
    const pull::CatalogEntry& entry = *one.entry;
    models.push_back(json::Object{{"name", entry.name},
                                  {"repo", entry.repo},
                                  {"family", entry.family},
                                  {"weights", entry.weights},
                                  {"context_tokens", FigureJson(entry.context_tokens)},
                                  {"download_mib", FigureJson(entry.download_mib)},
                                  {"cmm_mib", FigureJson(entry.cmm_mib)},
                                  {"pi5_tokens_per_s", FigureJson(entry.pi5_tokens_s)},
                                  {"board_tokens_per_s", FigureJson(entry.board_tokens_s)},
                                  {"fits", Fits(one, disk_mib)}});
  }
  fmt::print("{}\n", json::Write(json::Object{{"models", std::move(models)}}));
}

void PrintTables(const std::vector<pull::Ranked>& ranked, std::optional<uint64_t> disk_mib,
                 std::optional<uint64_t> cmm_mib) {
  std::vector<std::vector<std::string>> rows = {{"NAME", "WEIGHTS", "CONTEXT", "DOWNLOAD",
                                                 "CARD MEMORY", "PI 5 TOK/S", "BOARD TOK/S", "FITS",
                                                 "REPOSITORY"}};
  for (const pull::Ranked& one : ranked) {
    const pull::CatalogEntry& entry = *one.entry;
    rows.push_back({std::string(entry.name), std::string(entry.weights),
                    Count(entry.context_tokens), Size(entry.download_mib), Size(entry.cmm_mib),
                    Speed(entry.pi5_tokens_s), Speed(entry.board_tokens_s), Fits(one, disk_mib),
                    std::string(entry.repo)});
  }
  PrintTable(rows);
  fmt::print("\n{}; `axollama catalog --json` has each figure's source.\n* {}\n",
             cmm_mib ? fmt::format("For a card with {} MiB", *cmm_mib)
                     : std::string("For a card of 8 GB (no server was there to ask for its own)"),
             pull::SourceText(Source::kComputed));
}

}  // namespace

int CatalogMain(int argc, char** argv) {
  CLI::App app("Lists the models that AXERA has published for the card, best fit first",
               "axollama catalog");
  bool as_json = false;
  std::optional<uint64_t> cmm_mib;
  app.add_flag("--json", as_json, "as JSON, with the source of each figure");
  app.add_option("--cmm-mib", cmm_mib, "the card's memory (default: what the server says)");
  int exit_code = 0;
  if (!ParseOrExit(app, argc, argv, &exit_code)) return exit_code;
  if (!cmm_mib) cmm_mib = CardMemoryMib();
  const auto ranked = pull::RankCatalog(cmm_mib);
  const auto disk_mib = FreeDiskMib();
  if (as_json) {
    PrintJson(ranked, disk_mib);
  } else {
    PrintTables(ranked, disk_mib, cmm_mib);
  }
  return 0;
}

}  // namespace axollama::cli
