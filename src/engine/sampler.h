// Chooses the next token from the logits.
//
// The chain and its formulas are llama.cpp's (common/sampling.cpp, src/llama-sampling.cpp, MIT):
// bias, penalties, top_k, typical_p, top_p, min_p, temperature, draw. What differs: equal logits
// are ordered by id, and exponentials and random numbers are our own, so that a seed gives the same
// text on every machine. A choice depends on the options, the tokens accepted since Start and the
// logits alone. Owner: the generator. Threads: one. Nothing is allocated after the constructor,
// except the lists of biases and banned tokens in Start, and what Logprobs and typical_p need.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/random.h"
#include "engine/request.h"
#include "npu/logits.h"

namespace axollama::engine {

class Sampler {
 public:
  Sampler(uint32_t vocab, uint32_t context_tokens);

  // A new sequence. `history` is its prompt; `banned` tokens are never chosen; `bias` is added to
  // logits. Ids that are not in the vocabulary are passed over.
  void Start(const SamplingOptions& options, std::span<const int32_t> history,
             std::span<const int32_t> banned, std::span<const std::pair<int32_t, float>> bias = {});

  // `logits` [vocab]. NaN counts as never; no finite logit at all is kDevice. `allowed`: bit i % 32
  // of word i / 32 says whether token i may be chosen, empty: all; when none can be, kInvalid.
  Result<int32_t> Sample(const npu::Logits& logits, std::span<const uint32_t> allowed = {});

  // Of the logits as they are, over the whole vocabulary: out[0] is `token`'s, then come the
  // likeliest, as many as fit, likelier first. The rest of `out` is left alone.
  void Logprobs(const npu::Logits& logits, int32_t token, std::span<TokenLogprob> out);

  // The token became a part of the sequence.
  void Accept(int32_t token);

 private:
  struct Candidate {
    float logit;
    int32_t id;
  };
  // Likelier first; of equals the lower id.
  static bool Before(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  }

  npu::Logits Change(const npu::Logits& logits, std::span<const uint32_t> allowed);
  void ApplyPenalties();
  void ApplyMask(std::span<const uint32_t> allowed);
  Error NothingToChoose(const npu::Logits& logits, bool masked) const;
  void SelectTop(const npu::Logits& logits, size_t count);
  void Offer(const Candidate& candidate, size_t count);
  void CutTypicalP();
  void CutTopP();
  void CutMinP();
  int32_t Draw();

  const uint32_t context_tokens_;
  SamplingOptions options_;
  bool penalise_ = false;
  Random random_{0};
  std::vector<int32_t> banned_;
  std::vector<std::pair<int32_t, float>> bias_;
  std::vector<float> logits_;          // [vocab], where they are changed
  std::vector<Candidate> candidates_;  // [vocab]; the first count_ are alive
  size_t count_ = 0;
  size_t sorted_ = 0;            // that many at the front are in order, before all others
  std::vector<int32_t> window_;  // ring of the tokens looked back at
  size_t window_size_ = 0, window_next_ = 0, window_limit_ = 0;
  std::vector<uint32_t> uses_;     // [vocab], times in the window
  std::vector<uint32_t> visited_;  // [vocab], the step that penalised it last
  uint32_t step_ = 0;
};

// e^x for x <= 0 within 1e-10 of it, by additions and multiplications alone: the same on every
// machine.
double ExpOfNegative(double x);

}  // namespace axollama::engine
