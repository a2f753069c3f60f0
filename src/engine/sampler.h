// Chooses the next token from the logits.
//
// The chain and its formulas are llama.cpp's (common/sampling.cpp, src/llama-sampling.cpp, MIT):
// penalties, top_k, top_p, min_p, temperature, draw. What differs: equal logits are ordered by id,
// and exponentials and random numbers are our own, so that a seed gives the same text on every
// machine. A choice depends on the options, the tokens accepted since Start and the logits alone.
// Owner: the generator. Threads: one. Nothing is allocated after the constructor, except the list
// of banned tokens in Start.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/random.h"
#include "engine/request.h"

namespace axollama::engine {

class Sampler {
 public:
  Sampler(uint32_t vocab, uint32_t context_tokens);

  // A new sequence. `history` is its prompt; `banned` tokens are never chosen; ids that
  // are not in the vocabulary are passed over.
  void Start(const SamplingOptions& options, std::span<const int32_t> history,
             std::span<const int32_t> banned);

  // `logits` [vocab]. NaN counts as never; no finite logit at all is kDevice.
  Result<int32_t> Sample(std::span<const float> logits);

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

  void ApplyPenalties();
  void SelectTop(size_t count);
  void CutTopP();
  void CutMinP();
  int32_t Draw();

  const uint32_t context_tokens_;
  SamplingOptions options_;
  bool penalise_ = false;
  Random random_{0};
  std::vector<int32_t> banned_;
  std::vector<float> logits_;          // [vocab], the ones being worked on
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
