// What the engine is asked to generate, and what came of it. Plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "text/grammar.h"

namespace axollama::engine {

// Applied in llama.cpp's order: penalties, top_k, typical_p, top_p, min_p, temperature. The
// defaults leave the distribution as it is, except that the temperature is Ollama's.
struct SamplingOptions {
  float temperature = 0.8f;  // 0 or less: the likeliest token, the lowest id on ties
  int32_t top_k = 40;        // 0 or less: all
  float typical_p = 1.0f;    // 1 or more: all; else those nearest to the expected surprise
  float top_p = 0.9f;        // 1 or more: all; the likeliest token always stays
  float min_p = 0.0f;        // 0: all
  float repeat_penalty = 1.0f;
  int32_t repeat_last_n = 64;  // tokens looked back at, prompt included; 0: none, -1: the context
  float presence_penalty = 0.0f;
  float frequency_penalty = 0.0f;
  int64_t seed = -1;  // -1: another one each time
};

struct Request {
  std::vector<int32_t> tokens;  // the prompt
  // No answer, but the prompt's vector: of a model that makes embeddings, which answers nothing
  // else. Of what follows only reuse_prefix and context_tokens count.
  bool embed = false;
  SamplingOptions sampling;
  int64_t max_tokens = -1;        // -1: until the context is full; 0: compute the prompt only
  std::vector<std::string> stop;  // strings that end the text and are no part of it; "" is ignored
  // A special token gives no text, so its spelling in `stop` is found by its id: (id, index in
  // stop).
  std::vector<std::pair<int32_t, uint32_t>> stop_tokens;
  std::vector<int32_t> shown;   // special tokens that give their text all the same
  bool reuse_prefix = true;     // of what is in the cache from before
  bool ignore_eos = false;      // such tokens are never chosen
  uint32_t context_tokens = 0;  // for prompt and answer, where it is less than the model's; 0: that
  // When the context is full the answer goes on: the first keep_tokens stay (-1: the prompt), of
  // the others the older half is forgotten, and what is left is computed anew. False: it ends.
  bool shift = false;
  int64_t keep_tokens = 0;
  // (token, what is added to its logit before all else); -infinity: never chosen.
  std::vector<std::pair<int32_t, float>> logit_bias;
  // The likeliest tokens to report with each of the answer; 0: no probabilities at all.
  uint32_t logprobs = 0;
  // What the answer must follow, as it stands at its begin; used by this request alone. Null:
  // anything. The answer ends where nothing can follow.
  std::shared_ptr<text::Grammar> grammar;
  std::string grammar_after;  // the text that the answer must contain first; empty: none
};

// The natural logarithm of a token's probability, from the logits as the model gave them.
struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;
};

enum class StopType { kEos, kWord, kLimit };

struct Timings {
  uint32_t cache_n = 0;      // prompt tokens found in the cache
  uint32_t prompt_n = 0;     // prompt tokens computed
  double prompt_ms = 0;      // until the prompt's last logits
  uint32_t predicted_n = 0;  // tokens chosen, the one that ended the answer included
  double predicted_ms = 0;   // from there to the end
};

struct Outcome {
  Status status;  // an error, or how it ended:
  StopType stop = StopType::kLimit;
  std::string stopping_word;
  uint32_t tokens_cached = 0;    // tokens of this sequence whose K and V are in the cache now
  uint32_t shifts = 0;           // how often the older half was forgotten
  std::vector<float> embedding;  // of Request::embed: the last token's, [hidden], not normalised
  Timings timings;
};

}  // namespace axollama::engine
