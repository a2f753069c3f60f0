// The runner's POST /completion as the supervisor uses it: llama-server's request and its stream.
//
// Owner and threads: plain values. Source: facts 3.4 of the Ollama API.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/options.h"
#include "api/turn.h"
#include "base/result.h"

namespace axollama::api {

struct CompletionRequest {
  std::variant<std::string, std::vector<int32_t>> prompt;  // text, or tokens taken as they are
  Sampling sampling;
  int64_t context_tokens = 0;  // for prompt and answer; 0: the model's
  bool shift = false;          // when that is full, forget the older half of it and go on
  int64_t keep_tokens = 0;     // of the prompt, that a shift leaves; -1: all
  std::vector<std::string> preserved_tokens;  // special tokens whose text is wanted
  // What the answer must be, at most one of the two; behind `grammar_after` if that is not empty.
  std::string json_schema;  // an object
  std::string grammar;      // Lark or GBNF
  std::string grammar_after;
  std::vector<std::pair<int32_t, double>> logit_bias;
  int64_t n_probs = 0;  // 0: no logprobs
  bool stream = true;
  bool add_special = true;    // text only: BOS where the tokenizer adds one
  bool parse_special = true;  // text only: "<|im_start|>" is one token
};
std::string WriteCompletionRequest(const CompletionRequest& request);

struct CompletionTimings {
  int64_t cache_n = 0;   // prompt tokens that were in the cache
  int64_t prompt_n = 0;  // the others
  double prompt_ms = 0;
  int64_t predicted_n = 0;
  double predicted_ms = 0;
};

struct CompletionEvent {
  std::string content;
  std::vector<int32_t> tokens;
  std::vector<TokenLogprob> logprobs;  // one for each token, where they were asked for
  bool stop = false;                   // the last event; the fields below are set only there
  std::string stop_type;               // "eos", "word" or "limit"
  std::string stopping_word;
  int64_t tokens_predicted = 0;
  int64_t tokens_evaluated = 0;
  int64_t tokens_cached = 0;
  bool truncated = false;
  CompletionTimings timings;
};

// One line of the stream. Nothing for blank lines and comments. A `data: {"error":...}` line is
// that error. A line that is neither is kInternal: the runner broke its protocol.
Result<std::optional<CompletionEvent>> ParseCompletionLine(std::string_view line);

// "stop" or "length", Ollama's done_reason for a stop_type.
std::string_view DoneReason(std::string_view stop_type);

}  // namespace axollama::api
