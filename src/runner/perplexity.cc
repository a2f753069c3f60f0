#include "runner/perplexity.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace axollama::runner {
namespace {

constexpr size_t kTop = 12;

// Rows of one window: prefill as far as it reaches, then token by token.
Status ComputeRows(npu::Model& model, std::span<const int32_t> tokens, const npu::StopCheck& stop,
                   const std::function<Status(size_t)>& on_row) {
  const size_t reach = std::min<size_t>(tokens.size(), model.limits().max_prompt_tokens);
  if (reach > 0) AX_RETURN_IF_ERROR(model.Prefill(tokens.first(reach), 0, stop, on_row));
  for (size_t row = reach; row < tokens.size(); ++row) {
    if (stop()) return Fail(ErrorKind::kCancelled, "cancelled");
    AX_RETURN_IF_ERROR(model.Decode(tokens[row], static_cast<uint32_t>(row)));
    AX_RETURN_IF_ERROR(on_row(row));
  }
  return {};
}

}  // namespace

Result<ScoredToken> ScoreOne(std::span<const float> logits, int32_t id) {
  if (id < 0 || static_cast<size_t>(id) >= logits.size()) {
    return Fail(ErrorKind::kInvalid,
                "the text has token " + std::to_string(id) + ", which the model does not know");
  }
  const float max = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - max);
  if (!std::isfinite(total) || !std::isfinite(max)) {
    return Fail(ErrorKind::kDevice, "the device returned logits that are no numbers");
  }
  const double log_total = std::log(total) + max;

  ScoredToken scored;
  scored.id = id;
  scored.logprob = static_cast<double>(logits[static_cast<size_t>(id)]) - log_total;
  // The best so far, likeliest first. Ids ascend, so an equal one goes behind.
  float least = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < logits.size(); ++i) {
    if (scored.top.size() == kTop && !(logits[i] > least)) continue;
    const double logprob = static_cast<double>(logits[i]) - log_total;
    const auto at = std::find_if(scored.top.begin(), scored.top.end(),
                                 [&](const auto& entry) { return entry.second < logprob; });
    scored.top.insert(at, {static_cast<int32_t>(i), logprob});
    if (scored.top.size() > kTop) scored.top.pop_back();
    least = logits[static_cast<size_t>(scored.top.back().first)];
  }
  return scored;
}

Result<Score> ScoreTokens(npu::Model& model, device::CardGate* gate,
                          std::span<const int32_t> tokens, uint32_t window_tokens,
                          const npu::StopCheck& stop,
                          const std::function<Status(const ScoredToken&)>& on_token) {
  if (model.limits().makes_embeddings) {
    return Fail(ErrorKind::kInvalid, "the model makes embeddings: no token has a probability");
  }
  const uint32_t context = model.limits().context_tokens;
  if (window_tokens < 2 || window_tokens > context) {
    return Fail(ErrorKind::kInvalid, "the window must have 2 to " + std::to_string(context) +
                                         " tokens, the model's context");
  }
  Score score;
  double sum = 0;
  std::vector<float> logits(model.limits().vocab);
  for (size_t begin = 0; begin + 1 < tokens.size(); begin += window_tokens) {
    const std::span<const int32_t> window =
        tokens.subspan(begin, std::min<size_t>(window_tokens, tokens.size() - begin));
    if (gate != nullptr) AX_RETURN_IF_ERROR(gate->Enter(stop));
    const Status done =
        ComputeRows(model, window.first(window.size() - 1), stop, [&](size_t row) -> Status {
          model.logits().Read(0, logits);
          AX_ASSIGN_OR_RETURN(const ScoredToken scored, ScoreOne(logits, window[row + 1]));
          sum -= scored.logprob;
          ++score.scored_tokens;
          return on_token(scored);
        });
    if (gate != nullptr) gate->Leave();
    AX_RETURN_IF_ERROR(done);
    ++score.windows;
  }
  if (score.scored_tokens == 0) {
    return Fail(ErrorKind::kInvalid, "the text is too short: it takes 2 tokens to score one");
  }
  score.mean_nll = sum / static_cast<double>(score.scored_tokens);
  score.perplexity = std::exp(score.mean_nll);
  return score;
}

}  // namespace axollama::runner
