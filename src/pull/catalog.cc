#include "pull/catalog.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <tuple>

namespace axollama::pull {
namespace {

constexpr double kGib = 1024;            // in MiB, as the table prints its figures
constexpr double kGb = 1e9 / (1 << 20);  // likewise
constexpr uint64_t kUsualCmmMib = 7040;  // of a card of 8 GB
constexpr double kReadingTokensS = 5;    // what people read along with
constexpr double kRoomToSpare = 0.9;

constexpr Figure Axera(double value) { return {value, Source::kAxera}; }
constexpr Figure M5(double value) { return {value, Source::kM5Stack}; }
constexpr Figure Computed(double value) { return {value, Source::kComputed}; }
constexpr Figure None() { return {}; }

// The first of a family is what its name alone means.
constexpr CatalogEntry kCatalog[] = {
    {"qwen3:0.6b", "AXERA-TECH/Qwen3-0.6B", "qwen3", "w8a16", M5(2559), Axera(1.2 * kGib),
     Axera(1.3 * kGib), M5(12.9), Axera(16.9)},
    {"qwen3:0.6b-int4", "AXERA-TECH/Qwen3-0.6B-GPTQ-Int4", "qwen3", "w4a16", None(),
     Axera(0.84 * kGib), Axera(0.95 * kGib), Computed(24.6), Axera(20.2)},
    {"qwen3:1.7b", "AXERA-TECH/Qwen3-1.7B", "qwen3", "w8a16", None(), Axera(2.6 * kGib),
     Axera(2.4 * kGib), M5(7.38), Axera(8.6)},
    {"qwen3:1.7b-int4", "AXERA-TECH/Qwen3-1.7B-GPTQ-Int4", "qwen3", "w4a16", None(),
     Axera(1.9 * kGib), Axera(1.7 * kGib), Computed(15.1), Axera(12.7)},
    {"qwen3:4b", "AXERA-TECH/Qwen3-4B", "qwen3", "w8a16", M5(2559), Axera(5.3 * kGib),
     Axera(5.1 * kGib), M5(3.69), Axera(4.01)},
    {"qwen3:4b-int4", "AXERA-TECH/Qwen3-4B-GPTQ-Int4", "qwen3", "w4a16", None(), Axera(3.5 * kGib),
     Axera(3.4 * kGib), Computed(8.4), Axera(6.5)},
    {"qwen3:4b-instruct", "AXERA-TECH/Qwen3-4B-Instruct-2507-GPTQ-Int8", "qwen3", "w8a16", None(),
     None(), None(), Computed(5.2), Axera(4.5)},
    {"qwen3:4b-instruct-int4", "AXERA-TECH/Qwen3-4B-Instruct-2507-GPTQ-Int4", "qwen3", "w4a16",
     None(), None(), None(), Computed(8.4), Axera(5.7)},
    {"qwen2.5:0.5b", "AXERA-TECH/Qwen2.5-0.5B-Instruct-CTX-Int8", "qwen2", "w8a16", None(), None(),
     None(), Computed(25.7), Axera(30)},
    {"qwen2.5:0.5b-int4", "AXERA-TECH/Qwen2.5-0.5B-Instruct-GPTQ-Int4", "qwen2", "w4a16", None(),
     None(), None(), M5(27.05), Axera(44)},
    {"qwen2.5:1.5b-int4", "AXERA-TECH/Qwen2.5-1.5B-Instruct-GPTQ-Int4", "qwen2", "w4a16", M5(1024),
     None(), None(), M5(15.03), Axera(17)},
    {"qwen2.5:3b-int4", "AXERA-TECH/Qwen2.5-3B-Instruct-GPTQ-Int4", "qwen2", "w4a16", None(),
     None(), Axera(2.9 * kGb), Computed(10.3), Axera(10)},
    {"qwen2.5:7b-int4", "AXERA-TECH/Qwen2.5-7B-Instruct-GPTQ-Int4", "qwen2", "w4a16", None(),
     None(), None(), Computed(5.6), Axera(5.0)},
    {"deepseek-r1:1.5b-int4", "AXERA-TECH/DeepSeek-R1-Distill-Qwen-1.5B-GPTQ-Int4", "qwen2",
     "w4a16", None(), None(), None(), M5(13.3), Axera(17)},
    {"deepseek-r1:7b-int4", "AXERA-TECH/DeepSeek-R1-Distill-Qwen-7B-GPTQ-Int4", "qwen2", "w4a16",
     None(), None(), None(), Computed(5.6), Axera(4.8)},
    {"minicpm4:0.5b", "AXERA-TECH/MiniCPM4-0.5B", "minicpm", "w8a16", M5(1023), None(), M5(572),
     M5(21.05), Axera(36)},
    {"smollm2:360m", "AXERA-TECH/SmolLM2-360M-Instruct", "llama", "w8a16", None(), None(), None(),
     M5(20.8), Axera(39)},
};

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

std::string_view SourceText(Source source) {
  switch (source) {
    case Source::kNone:
      return "";
    case Source::kAxera:
      return "AXERA's table of LLM performance on AX650 and AX8850";
    case Source::kM5Stack:
      return "M5Stack's documentation of the LLM-8850 on a Raspberry Pi 5, with the vendor's "
             "program";
    case Source::kComputed:
      return "computed: axollama on the simulated card, context 2048 (docs/simulator.md)";
  }
  return "";
}

std::span<const CatalogEntry> Catalog() { return kCatalog; }

const CatalogEntry* FindInCatalog(std::string_view name) {
  std::string wanted = Lower(name);
  if (wanted.ends_with(":latest")) wanted.resize(wanted.size() - 7);
  for (const CatalogEntry& entry : kCatalog) {
    if (entry.name == wanted) return &entry;
    if (wanted.find(':') == std::string::npos &&
        entry.name.substr(0, entry.name.find(':')) == wanted) {
      return &entry;
    }
  }
  return nullptr;
}

std::vector<Ranked> RankCatalog(std::optional<uint64_t> cmm_mib) {
  const double room = static_cast<double>(cmm_mib.value_or(kUsualCmmMib));
  std::vector<Ranked> ranked;
  for (const CatalogEntry& entry : kCatalog) {
    Ranked one{&entry, std::nullopt};
    if (entry.cmm_mib.source != Source::kNone) one.fits = entry.cmm_mib.value <= room;
    ranked.push_back(one);
  }
  const auto key = [&](const Ranked& one) {
    const CatalogEntry& entry = *one.entry;
    const bool easy = one.fits.value_or(false) && entry.cmm_mib.value <= room * kRoomToSpare &&
                      entry.pi5_tokens_s.value >= kReadingTokensS;
    const int group = easy ? 0 : !one.fits ? 2 : *one.fits ? 1 : 3;
    return std::tuple(group, -entry.cmm_mib.value, -entry.pi5_tokens_s.value);
  };
  std::stable_sort(ranked.begin(), ranked.end(),
                   [&](const Ranked& a, const Ranked& b) { return key(a) < key(b); });
  return ranked;
}

}  // namespace axollama::pull
