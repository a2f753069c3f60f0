// Answers to grammars without a model: the engine's own loop over a real tokenizer, with logits
// that are pseudo-random except that what may close something is likelier, so that answers end.
//
//   answers FOLDER          a bundle with tokenizer.json
//
// One request a line: {"schema": ..., "seed": n}; one reply a line: {"text", "stop"} or {"error"}.
#include <boost/json/object.hpp>
#include <cstdio>
#include <iostream>
#include <string>

#include "base/json.h"
#include "engine/fakes.h"
#include "engine/generator.h"
#include "text/tokenizer.h"

namespace axollama {
namespace {

constexpr uint32_t kContext = 1024;

class Collected : public engine::PieceSink {
 public:
  void OnToken(int32_t, std::span<const engine::TokenLogprob>) override {}
  void OnText(std::string_view piece) override { text += piece; }
  std::string text;
};

std::vector<float> Bonus(const text::Tokenizer& tokenizer, int32_t end) {
  std::vector<float> bonus(tokenizer.vocab_size());
  for (int32_t id = 0; static_cast<uint32_t>(id) < bonus.size(); ++id) {
    const auto bytes = tokenizer.TokenBytes(id, false);
    if (!bytes || bytes->empty()) continue;
    const bool closes = bytes->find_first_not_of("\"]},:") == std::string_view::npos;
    if (closes) bonus[static_cast<size_t>(id)] = 3;
  }
  bonus[static_cast<size_t>(end)] = 4;
  return bonus;
}

class Answerer {
 public:
  Answerer(const text::Tokenizer& tokenizer, const text::Grammars& grammars, int32_t end)
      : grammars_(grammars),
        bonus_(Bonus(tokenizer, end)),
        model_(Limits(tokenizer),
               [this](auto tokens, auto logits) {
                 engine::FakeModel::Mixed(tokens, logits);
                 for (size_t id = 0; id < logits.size(); ++id) logits[id] += bonus_[id];
               }),
        generator_(model_, Options(tokenizer, end)) {}

  json::Object Answer(const json::Value& schema, int64_t seed) {
    engine::Request request;
    request.tokens = {1};
    request.sampling.seed = seed;
    request.sampling.top_p = 1;
    auto grammar = grammars_.Compile(text::GrammarKind::kJsonSchema, json::Write(schema));
    if (!grammar) return {{"error", grammar.error().message}};
    request.grammar = std::move(*grammar);
    Collected collected;
    const engine::Outcome outcome = generator_.Run(request, [] { return false; }, collected);
    if (!outcome.status) return {{"error", outcome.status.error().message}};
    const bool ended = outcome.stop == engine::StopType::kEos;
    return {{"text", collected.text}, {"stop", ended ? "stop" : "length"}};
  }

 private:
  static npu::Limits Limits(const text::Tokenizer& tokenizer) {
    npu::Limits limits;
    limits.context_tokens = kContext;
    limits.chunk_tokens = limits.max_prompt_tokens = kContext;
    limits.vocab = tokenizer.vocab_size();
    return limits;
  }
  static engine::GeneratorOptions Options(const text::Tokenizer& tokenizer, int32_t end) {
    engine::GeneratorOptions options;
    options.tokenizer = &tokenizer;
    options.eos_ids = {end};
    return options;
  }

  const text::Grammars& grammars_;
  const std::vector<float> bonus_;
  engine::FakeModel model_;
  engine::Generator generator_;
};

int Main(const std::string& folder) {
  const auto tokenizer = text::Tokenizer::Load(folder + "/tokenizer.json");
  if (!tokenizer) return std::cerr << tokenizer.error().message << '\n', 1;
  const int32_t end = (*tokenizer)->TokenToId("<|im_end|>").value_or(0);
  const auto grammars = (*tokenizer)->MakeGrammars((*tokenizer)->vocab_size(), {{end}});
  if (!grammars) return std::cerr << grammars.error().message << '\n', 1;
  Answerer answerer(**tokenizer, **grammars, end);
  for (std::string line; std::getline(std::cin, line);) {
    const auto request = json::ParseObject(line, "the request");
    if (!request) return std::cerr << request.error().message << '\n', 1;
    const json::Object reply =
        answerer.Answer(request->at("schema"), request->at("seed").as_int64());
    std::cout << json::Write(reply) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace axollama

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "answers FOLDER\n", 2;
  return axollama::Main(argv[1]);
}
