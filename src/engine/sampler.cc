#include "engine/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace axollama::engine {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// A penalty of extreme size must not look like a device that returned no number.
float Bounded(float value) {
  constexpr float kMost = std::numeric_limits<float>::max();
  return std::clamp(value, -kMost, kMost);
}

// The first of the greatest; -1 when none is above -infinity.
int32_t Likeliest(const npu::Logits& logits) {
  float best = kNever;
  size_t block = 0;
  for (size_t first = 0; first < logits.size(); first += npu::Logits::kBlock) {
    const size_t count = std::min(npu::Logits::kBlock, logits.size() - first);
    const float most = logits.Greatest(first, count);
    if (!(most > best)) continue;
    best = most;
    block = first;
  }
  if (!(best > kNever)) return -1;
  while (logits[block] != best) ++block;
  return static_cast<int32_t>(block);
}

}  // namespace

double ExpOfNegative(double x) {
  if (!(x > -700.0)) return 0.0;  // also for NaN and -infinity
  // x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^52 rounds to an integer in the low bits.
  constexpr double kRound = 6755399441055744.0;
  constexpr double kLog2E = 1.4426950408889634;
  constexpr double kLn2High = 0.6931471803691238, kLn2Low = 1.9082149292705877e-10;
  const double rounded = x * kLog2E + kRound;
  const double n = rounded - kRound;
  const double r = (x - n * kLn2High) - n * kLn2Low;
  // Taylor's series up to r^9 / 9!; the next term is below 1e-11.
  constexpr double kTerms[] = {1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120,
                               1.0 / 24,     1.0 / 6,     0.5,        1.0,       1.0};
  double sum = 0.0;
  for (const double term : kTerms) sum = sum * r + term;
  const int64_t exponent = static_cast<int64_t>(n);
  return sum * std::bit_cast<double>(static_cast<uint64_t>(exponent + 1023) << 52);
}

Sampler::Sampler(uint32_t vocab, uint32_t context_tokens)
    : context_tokens_(context_tokens),
      logits_(vocab),
      candidates_(vocab),
      window_(context_tokens),
      uses_(vocab),
      visited_(vocab) {}

void Sampler::Start(const SamplingOptions& options, std::span<const int32_t> history,
                    std::span<const int32_t> banned,
                    std::span<const std::pair<int32_t, float>> bias) {
  options_ = options;
  random_ = Random(static_cast<uint64_t>(options.seed));
  banned_.clear();
  for (const int32_t id : banned) {  // a bundle's settings may name ids that the model has not
    if (id >= 0 && static_cast<size_t>(id) < logits_.size()) banned_.push_back(id);
  }
  bias_.clear();
  for (const auto& [id, added] : bias) {
    if (id >= 0 && static_cast<size_t>(id) < logits_.size()) bias_.emplace_back(id, added);
  }
  penalise_ = options.repeat_penalty != 1.0f || options.presence_penalty != 0.0f ||
              options.frequency_penalty != 0.0f;
  window_limit_ =
      options.repeat_last_n < 0
          ? context_tokens_
          : std::min<size_t>(static_cast<size_t>(options.repeat_last_n), context_tokens_);
  window_size_ = window_next_ = 0;
  std::fill(uses_.begin(), uses_.end(), 0u);
  const size_t skip = history.size() > window_limit_ ? history.size() - window_limit_ : 0;
  for (const int32_t token : history.subspan(skip)) Accept(token);
}

void Sampler::Accept(int32_t token) {
  if (!penalise_ || window_limit_ == 0) return;
  if (window_size_ == window_limit_) {
    --uses_[static_cast<size_t>(window_[window_next_])];
  } else {
    ++window_size_;
  }
  window_[window_next_] = token;
  window_next_ = (window_next_ + 1) % window_limit_;
  ++uses_[static_cast<size_t>(token)];
}

void Sampler::ApplyPenalties() {
  if (++step_ == 0) {  // wrapped: no old mark may look like this step's
    std::fill(visited_.begin(), visited_.end(), 0u);
    step_ = 1;
  }
  for (size_t i = 0; i < window_size_; ++i) {
    const size_t id = static_cast<size_t>(window_[i]);
    if (visited_[id] == step_) continue;
    visited_[id] = step_;
    float& logit = logits_[id];
    if (!std::isfinite(logit)) continue;
    logit = logit <= 0 ? logit * options_.repeat_penalty : logit / options_.repeat_penalty;
    logit = Bounded(logit);
    logit -= Bounded(static_cast<float>(uses_[id]) * options_.frequency_penalty);
    logit = Bounded(Bounded(logit) - options_.presence_penalty);
  }
}

void Sampler::ApplyMask(std::span<const uint32_t> allowed) {
  for (size_t first = 0; first < logits_.size(); first += 32) {
    const uint32_t word = allowed[first / 32];
    if (word == ~0u) continue;
    const size_t count = std::min<size_t>(32, logits_.size() - first);
    for (size_t i = 0; i < count; ++i) {
      if (!(word >> i & 1)) logits_[first + i] = kNever;
    }
  }
}

Error Sampler::NothingToChoose(const npu::Logits& logits, bool masked) const {
  bool finite = false, endless = false;
  logits.ForEachBlock([&](size_t, std::span<const float> values) {
    for (const float logit : values) {
      finite = finite || std::isfinite(logit);
      endless = endless || (std::isinf(logit) && logit > 0);
    }
  });
  if (!finite || endless) {
    return {ErrorKind::kDevice, "the device returned no finite logit"};
  }
  return {ErrorKind::kInvalid, masked ? "no token that the grammar allows can be chosen"
                                      : "no token is left that can be chosen"};
}

Result<int32_t> Sampler::Sample(const npu::Logits& logits, std::span<const uint32_t> allowed) {
  if (logits.size() != logits_.size()) {
    return Fail(ErrorKind::kInternal, "the model gave " + std::to_string(logits.size()) +
                                          " logits instead of " + std::to_string(logits_.size()));
  }
  const npu::Logits changed = Change(logits, allowed);
  if (options_.temperature <= 0) {
    const int32_t best = Likeliest(changed);
    if (best >= 0 && std::isfinite(changed[static_cast<size_t>(best)])) return best;
    return Fail(NothingToChoose(logits, !allowed.empty()));
  }

  const bool some = options_.top_k > 0 && static_cast<size_t>(options_.top_k) < changed.size();
  SelectTop(changed, some ? static_cast<size_t>(options_.top_k) : changed.size());
  if (count_ == 0 || !std::isfinite(candidates_[0].logit)) {
    return Fail(NothingToChoose(logits, !allowed.empty()));
  }
  CutTypicalP();
  CutTopP();
  CutMinP();
  return Draw();
}

// The logits with all that is asked for beside them; the very same ones when that is nothing.
npu::Logits Sampler::Change(const npu::Logits& logits, std::span<const uint32_t> allowed) {
  if (bias_.empty() && !penalise_ && banned_.empty() && allowed.empty()) return logits;
  logits.Read(0, logits_);
  for (const auto& [id, added] : bias_) {
    float& logit = logits_[static_cast<size_t>(id)];
    if (std::isfinite(logit)) logit = added == kNever ? kNever : Bounded(logit + added);
  }
  if (penalise_) ApplyPenalties();
  for (const int32_t id : banned_) logits_[static_cast<size_t>(id)] = kNever;
  if (!allowed.empty()) ApplyMask(allowed);
  return logits_;
}

// Fills candidates_ with the `count` likeliest tokens, in order; with all of them (the likeliest
// first, the others in order of id) when there are not more than that.
void Sampler::SelectTop(const npu::Logits& logits, size_t count) {
  count_ = 0;
  if (count >= logits.size()) {
    logits.ForEachBlock([&](size_t first, std::span<const float> values) {
      for (size_t i = 0; i < values.size(); ++i) {
        if (!(values[i] > kNever)) continue;
        candidates_[count_++] = {values[i], static_cast<int32_t>(first + i)};
      }
    });
    const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(count_);
    const auto best = std::min_element(candidates_.begin(), end, Before);
    if (best != end) std::rotate(candidates_.begin(), best, best + 1);
    sorted_ = std::min<size_t>(count_, 1);
    return;
  }
  float room[npu::Logits::kBlock];
  for (size_t first = 0; first < logits.size(); first += npu::Logits::kBlock) {
    const std::span values(room, std::min(npu::Logits::kBlock, logits.size() - first));
    // Most blocks hold none that is likelier than those found so far.
    if (count_ == count && !(logits.Greatest(first, values.size()) > candidates_[0].logit)) {
      continue;
    }
    logits.Read(first, values);
    for (size_t i = 0; i < values.size(); ++i) {
      Offer({values[i], static_cast<int32_t>(first + i)}, count);
    }
  }
  std::sort_heap(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(count_),
                 Before);
  sorted_ = count_;
}

// Into a heap of the best `count` so far with the worst of them on top. Ids ascend, so an equal
// logit never displaces an earlier one.
void Sampler::Offer(const Candidate& candidate, size_t count) {
  const auto begin = candidates_.begin();
  if (count_ == count) {
    if (!(candidate.logit > candidates_[0].logit)) return;
    std::pop_heap(begin, begin + static_cast<std::ptrdiff_t>(count_), Before);
    candidates_[count_ - 1] = candidate;
  } else {
    if (!(candidate.logit > kNever)) return;
    candidates_[count_++] = candidate;
  }
  std::push_heap(begin, begin + static_cast<std::ptrdiff_t>(count_), Before);
}

// Keeps the tokens whose surprise is nearest to the expected one, until their probabilities exceed
// typical_p together.
void Sampler::CutTypicalP() {
  if (options_.typical_p >= 1.0f) return;
  const double max = candidates_[0].logit;
  double total = 0, weighted = 0;
  for (size_t i = 0; i < count_; ++i) {
    const double below = static_cast<double>(candidates_[i].logit) - max;
    const double weight = ExpOfNegative(below);
    total += weight;
    if (weight > 0) weighted += weight * below;
  }
  // -log p is log(total) - below, and its mean is log(total) - weighted / total.
  const double mean = weighted / total;
  const auto distance = [&](const Candidate& c) {
    return std::abs(static_cast<double>(c.logit) - max - mean);
  };
  const auto begin = candidates_.begin();
  std::sort(begin, begin + static_cast<std::ptrdiff_t>(count_),
            [&](const Candidate& a, const Candidate& b) {
              const double near = distance(a), far = distance(b);
              return near != far ? near < far : Before(a, b);
            });
  const double wanted = static_cast<double>(options_.typical_p) * total;
  double reached = 0;
  size_t kept = 0;
  while (kept < count_ && (kept == 0 || reached <= wanted)) {  // one stays, whatever was asked for
    reached += ExpOfNegative(static_cast<double>(candidates_[kept++].logit) - max);
  }
  count_ = kept;
  std::sort(begin, begin + static_cast<std::ptrdiff_t>(count_), Before);
  sorted_ = count_;
}

// Keeps the shortest run of likeliest tokens whose probabilities reach top_p.
void Sampler::CutTopP() {
  if (options_.top_p >= 1.0f) return;
  const float max = candidates_[0].logit;
  double total = 0;
  for (size_t i = 0; i < count_; ++i) {
    total += ExpOfNegative(static_cast<double>(candidates_[i].logit) - max);
  }
  const double wanted = static_cast<double>(options_.top_p) * total;
  double reached = 0;
  size_t kept = 0;
  size_t block = 128;  // put in order at a time: the run is short for all but flat distributions
  while (kept < count_) {
    if (kept == sorted_) {
      const auto from = candidates_.begin() + static_cast<std::ptrdiff_t>(sorted_);
      const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(count_);
      const size_t next = std::min(count_, sorted_ + block);
      const auto middle = candidates_.begin() + static_cast<std::ptrdiff_t>(next);
      if (middle != end) std::nth_element(from, middle, end, Before);
      std::sort(from, middle, Before);
      sorted_ = next;
      block *= 4;
    }
    reached += ExpOfNegative(static_cast<double>(candidates_[kept].logit) - max);
    ++kept;
    if (reached >= wanted) break;
  }
  count_ = kept;
}

void Sampler::CutMinP() {
  if (options_.min_p <= 0) return;
  const double max = candidates_[0].logit;
  const double least = static_cast<double>(options_.min_p);
  size_t kept = 1;  // the likeliest always stays
  for (size_t i = 1; i < count_; ++i) {
    if (ExpOfNegative(static_cast<double>(candidates_[i].logit) - max) >= least) {
      candidates_[kept++] = candidates_[i];
    }
  }
  count_ = kept;
}

int32_t Sampler::Draw() {
  const double max = candidates_[0].logit;
  const double temperature = static_cast<double>(options_.temperature);
  auto weight = [&](size_t i) {
    return ExpOfNegative((static_cast<double>(candidates_[i].logit) - max) / temperature);
  };
  double total = 0;
  for (size_t i = 0; i < count_; ++i) total += weight(i);
  const double wanted = random_.Uniform() * total;
  double reached = 0;
  for (size_t i = 0; i + 1 < count_; ++i) {
    reached += weight(i);
    if (wanted < reached) return candidates_[i].id;
  }
  return candidates_[count_ - 1].id;
}

void Sampler::Logprobs(const npu::Logits& logits, int32_t token, std::span<TokenLogprob> out) {
  const float max = logits.Greatest(0, logits.size());
  double total = 0;
  logits.ForEachBlock([&](size_t, std::span<const float> values) {
    for (const float logit : values) total += ExpOfNegative(static_cast<double>(logit) - max);
  });
  const double log_total = std::log(total);
  const auto logprob = [&](float logit) {
    return static_cast<float>(static_cast<double>(logit) - max - log_total);
  };
  out[0] = {token, logprob(logits[static_cast<size_t>(token)])};
  SelectTop(logits, std::min(out.size() - 1, logits.size() - 1));
  for (size_t i = 0; i < count_; ++i) {
    out[i + 1] = {candidates_[i].id, logprob(candidates_[i].logit)};
  }
}

}  // namespace axollama::engine
