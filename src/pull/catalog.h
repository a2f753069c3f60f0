// What AXERA has published for the card, and what is known of each: the names that `pull` knows
// besides repositories, and the list of `axollama catalog`.
//
// Each figure has its source. Those that nobody published are computed by the simulated card's
// timing (docs/simulator.md) for axollama itself, or absent. Only models that axollama can run are
// listed: text, and one K and V cache per layer.
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace axollama::pull {

// Where a figure comes from.
enum class Source {
  kNone,      // there is no figure
  kAxera,     // AXERA's table of measured LLM performance on AX650 and AX8850
  kM5Stack,   // M5Stack's documentation of the LLM-8850 card, on a Raspberry Pi 5
  kComputed,  // axollama on the simulated card at a context of 2,048
};
// One line for people; "" for kNone.
std::string_view SourceText(Source source);

struct Figure {
  double value = 0;
  Source source = Source::kNone;
};

struct CatalogEntry {
  std::string_view name;     // as Ollama calls such a model: "qwen3:0.6b"
  std::string_view repo;     // on the hub
  std::string_view family;   // "qwen3"
  std::string_view weights;  // "w8a16"
  Figure context_tokens;     // that the model was compiled for
  Figure download_mib;
  Figure cmm_mib;         // on the card, at that context
  Figure pi5_tokens_s;    // behind a Raspberry Pi 5
  Figure board_tokens_s;  // on the SoC itself
};

std::span<const CatalogEntry> Catalog();

// By name, whatever the case; a name without a tag, or with `latest`, means the family's first.
const CatalogEntry* FindInCatalog(std::string_view name);

// Best first: the largest that fits the card with room to spare and still answers at a reading
// speed, then those that fit, then those of unknown size, then those that do not fit.
// `cmm_mib`: of the card, if known; else that of a card of 8 GB counts.
struct Ranked {
  const CatalogEntry* entry = nullptr;
  std::optional<bool> fits;  // nothing: its need is not known
};
std::vector<Ranked> RankCatalog(std::optional<uint64_t> cmm_mib);

}  // namespace axollama::pull
