// One sequence on one model: prompt, sampling, text. The loop that runs per token.
//
// Reuses the longest common prefix of the new prompt and what is in the model's cache, and always
// computes at least the prompt's last token. A prompt is computed by prefill as far as the model's
// prefill reaches, and token by token from there. Tokens that a grammar forces are not sampled,
// and several in a row are computed like a prompt. prompt and answer together never exceed the
// context: the answer ends with kLimit and nothing is dropped, unless the request wants a shift.
// Owner: the engine, or a program that measures; model, tokenizer, gate and progress must outlive
// it. Threads: one, the model's. Nothing is allocated on the heap per token, unless a grammar or
// probabilities are asked for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "device/gate.h"
#include "engine/constraint.h"
#include "engine/piece_queue.h"
#include "engine/request.h"
#include "engine/sampler.h"
#include "engine/stop_matcher.h"
#include "npu/model.h"
#include "text/tokenizer.h"
#include "text/utf8_stream.h"

namespace axollama::engine {

struct GeneratorOptions {
  const text::Tokenizer* tokenizer = nullptr;  // null: tokens only, no text
  std::vector<int32_t> eos_ids;
  device::CardGate* gate = nullptr;  // entered while a request runs
  Progress* progress = nullptr;      // touched while the gate makes it wait
};

// What Run would refuse: no token, an id outside the vocabulary, too many probabilities, an answer
// of a model that makes embeddings or the opposite (kInvalid), a prompt that does not fit, or
// leaves no room for an answer's first token (kTooLong, with both numbers).
Status CheckRequest(const Request& request, const npu::Limits& limits);
// Of prompt and answer: the model's context, or less where the request wants less.
uint32_t ContextOf(const Request& request, const npu::Limits& limits);

class Generator {
 public:
  Generator(npu::Model& model, GeneratorOptions options);

  // `stop` is asked at least once a token; true ends with kCancelled.
  Outcome Run(const Request& request, const npu::StopCheck& stop, PieceSink& sink);

 private:
  Status RunChecked(const Request& request, const npu::StopCheck& stop, PieceSink& sink,
                    Outcome* outcome);
  Status Compute(std::span<const int32_t> tokens, size_t least, const npu::StopCheck& stop);
  Status Embed(Outcome* outcome) const;
  Status Answer(const Request& request, const npu::StopCheck& stop, PieceSink& sink,
                Outcome* outcome);
  Status Shift(const Request& request, int32_t token, const npu::StopCheck& stop);
  Result<bool> TakeForced(const Request& request, PieceSink& sink, Outcome* outcome);
  Result<bool> TakeSampled(const Request& request, PieceSink& sink, Outcome* outcome);
  Result<bool> Take(const Request& request, int32_t token, PieceSink& sink, Outcome* outcome);
  bool IsFull(const Request& request) const;
  bool IsEnd(const Request& request, int32_t token, Outcome* outcome) const;
  bool Show(const Request& request, int32_t token, std::span<const TokenLogprob> logprobs,
            PieceSink& sink, Outcome* outcome);
  void ShowCharacters(std::string_view bytes, bool last, PieceSink& sink);

  npu::Model& model_;
  const GeneratorOptions options_;
  Sampler sampler_;
  Constraint constraint_;
  StopMatcher matcher_;
  text::Utf8Stream utf8_;
  std::string text_;             // whole characters on their way to the sink
  std::vector<int32_t> rows_;    // the tokens whose K and V are in the cache
  std::vector<int32_t> chosen_;  // the tokens of the answer behind them
  std::vector<int32_t> forced_;
  std::vector<TokenLogprob> logprobs_;  // of the token under way; empty: not asked for
};

}  // namespace axollama::engine
