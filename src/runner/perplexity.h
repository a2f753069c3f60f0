// Scores a text with a loaded model: windows from an empty cache, teacher-forced (design 10).
//
// Owner: the caller. Threads: the model's.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "device/gate.h"
#include "npu/model.h"

namespace axollama::runner {

// One token given those before it in its window; natural logarithms.
struct ScoredToken {
  int32_t id = 0;
  double logprob = 0;
  std::vector<std::pair<int32_t, double>> top;  // the 12 likeliest; ties to the lowest id
};

struct Score {
  uint64_t scored_tokens = 0;
  uint64_t windows = 0;
  double mean_nll = 0;
  double perplexity = 0;
};

// `window_tokens` from 2 to the model's context. A window's first token is not scored. `on_token`
// sees every scored token in order. kInvalid when there is nothing to score.
Result<Score> ScoreTokens(npu::Model& model, device::CardGate* gate,
                          std::span<const int32_t> tokens, uint32_t window_tokens,
                          const npu::StopCheck& stop,
                          const std::function<Status(const ScoredToken&)>& on_token);

// The log-probability of `id` and the likeliest tokens under `logits` [vocab].
Result<ScoredToken> ScoreOne(std::span<const float> logits, int32_t id);

}  // namespace axollama::runner
