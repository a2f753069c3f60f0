#include "engine/generator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"

namespace axollama::engine {
namespace {

constexpr uint32_t kMostLogprobs = 20;

// A prefill chunk takes the card as long as 2.5 to 5 steps (published times to the first token and
// speeds), so fewer forced tokens than that are quicker one by one.
constexpr size_t kLeastForcedChunk = 4;

// Tokens that Constraint::Check refuses in a row.
constexpr int kMostRefused = 256;

double Milliseconds(int64_t from_ns, int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) / 1e6;
}

// Holds the card's gate for the length of a request.
class GateHold {
 public:
  explicit GateHold(device::CardGate* gate) : gate_(gate) {}
  ~GateHold() {
    if (gate_ != nullptr) gate_->Leave();
  }
  GateHold(const GateHold&) = delete;
  GateHold& operator=(const GateHold&) = delete;

 private:
  device::CardGate* gate_;
};

}  // namespace

uint32_t ContextOf(const Request& request, const npu::Limits& limits) {
  if (request.context_tokens == 0) return limits.context_tokens;
  return std::min(request.context_tokens, limits.context_tokens);
}

Status CheckRequest(const Request& request, const npu::Limits& limits) {
  if (request.tokens.empty()) return Fail(ErrorKind::kInvalid, "the prompt is empty");
  if (request.embed != limits.makes_embeddings) {
    return Fail(ErrorKind::kInvalid, request.embed ? "the model does not make embeddings"
                                                   : "the model makes embeddings only");
  }
  const size_t answer = request.embed ? 0 : 1;  // its first token
  if (const uint32_t context = ContextOf(request, limits);
      request.tokens.size() + answer > context) {
    return Fail(ErrorKind::kTooLong,
                "the prompt is too long: it has " + std::to_string(request.tokens.size()) +
                    " tokens, and the context holds " + std::to_string(context) +
                    (request.embed ? "" : " with the answer"));
  }
  for (const int32_t token : request.tokens) {
    if (token < 0 || static_cast<uint32_t>(token) >= limits.vocab) {
      return Fail(ErrorKind::kInvalid, "the prompt has token " + std::to_string(token) +
                                           ", and the model knows 0 to " +
                                           std::to_string(limits.vocab - 1));
    }
  }
  for (const auto& [token, bias] : request.logit_bias) {
    if (token < 0 || static_cast<uint32_t>(token) >= limits.vocab) {
      return Fail(ErrorKind::kInvalid, "\"logit_bias\" names token " + std::to_string(token) +
                                           ", and the model knows 0 to " +
                                           std::to_string(limits.vocab - 1));
    }
  }
  if (request.logprobs > kMostLogprobs) {
    return Fail(ErrorKind::kInvalid, "\"n_probs\" must be between 0 and 20");
  }
  return {};
}

Generator::Generator(npu::Model& model, GeneratorOptions options)
    : model_(model),
      options_(std::move(options)),
      sampler_(model.limits().vocab, model.limits().context_tokens),
      constraint_(model.limits().vocab) {
  rows_.reserve(model.limits().context_tokens);
  chosen_.reserve(model.limits().context_tokens);
}

Outcome Generator::Run(const Request& request, const npu::StopCheck& stop, PieceSink& sink) {
  Outcome outcome;
  outcome.status = CheckRequest(request, model_.limits());
  if (outcome.status) outcome.status = RunChecked(request, stop, sink, &outcome);
  // What a failed call left in the cache is unknown. A stop leaves the rows before it.
  if (!outcome.status && outcome.status.error().kind != ErrorKind::kCancelled) rows_.clear();
  outcome.tokens_cached = static_cast<uint32_t>(rows_.size());
  return outcome;
}

Status Generator::RunChecked(const Request& request, const npu::StopCheck& stop, PieceSink& sink,
                             Outcome* outcome) {
  // Waiting for another process's load is no hang of this one: it counts as progress.
  const npu::StopCheck waiting = [this, &stop] {
    if (options_.progress != nullptr) {
      options_.progress->page().last_progress_ns.store(MonotonicNs(), std::memory_order_relaxed);
    }
    return stop();
  };
  if (options_.gate != nullptr) AX_RETURN_IF_ERROR(options_.gate->Enter(waiting));
  const GateHold hold(options_.gate);

  const std::span<const int32_t> tokens(request.tokens);
  size_t common = 0;
  if (request.reuse_prefix) {
    const size_t most = std::min(rows_.size(), tokens.size() - 1);
    while (common < most && rows_[common] == tokens[common]) ++common;
  }
  rows_.resize(common);

  Timings& timings = outcome->timings;
  timings.cache_n = static_cast<uint32_t>(common);
  const int64_t start_ns = MonotonicNs();
  AX_RETURN_IF_ERROR(Compute(tokens.subspan(common), 2, waiting));
  const int64_t prompt_ns = MonotonicNs();
  timings.prompt_n = static_cast<uint32_t>(tokens.size() - common);
  timings.prompt_ms = Milliseconds(start_ns, prompt_ns);

  if (request.embed) return Embed(outcome);

  sampler_.Start(
      request.sampling, tokens,
      request.ignore_eos ? std::span<const int32_t>(options_.eos_ids) : std::span<const int32_t>(),
      request.logit_bias);
  constraint_.Start(request, options_.tokenizer, options_.eos_ids);
  matcher_.Start(request.stop);
  utf8_ = text::Utf8Stream();
  const Status answered = Answer(request, waiting, sink, outcome);
  timings.predicted_ms = Milliseconds(prompt_ns, MonotonicNs());
  return answered;
}

// Computes the tokens behind the rows, by prefill where that reaches and they are at least so many.
Status Generator::Compute(std::span<const int32_t> tokens, size_t least,
                          const npu::StopCheck& stop) {
  const size_t reach = model_.limits().max_prompt_tokens;
  if (tokens.size() >= least && rows_.size() < reach) {
    const auto part = tokens.first(std::min(tokens.size(), reach - rows_.size()));
    AX_RETURN_IF_ERROR(model_.Prefill(part, static_cast<uint32_t>(rows_.size()), stop));
    rows_.insert(rows_.end(), part.begin(), part.end());
    tokens = tokens.subspan(part.size());
  }
  for (const int32_t token : tokens) {
    if (stop()) return Fail(ErrorKind::kCancelled, "the request was cancelled");
    AX_RETURN_IF_ERROR(model_.Decode(token, static_cast<uint32_t>(rows_.size())));
    rows_.push_back(token);
  }
  return {};
}

Status Generator::Embed(Outcome* outcome) const {
  const npu::Logits values = model_.logits();
  std::vector<float> vector(values.size());
  values.Read(0, vector);
  for (const float value : vector) {
    if (!std::isfinite(value)) {
      return Fail(ErrorKind::kInternal, "embedding contains NaN or Inf values");
    }
  }
  outcome->embedding = std::move(vector);
  return {};
}

Status Generator::Answer(const Request& request, const npu::StopCheck& stop, PieceSink& sink,
                         Outcome* outcome) {
  outcome->stop = StopType::kLimit;
  if (request.max_tokens == 0) return {};
  chosen_.clear();
  for (;;) {
    AX_ASSIGN_OR_RETURN(bool more, TakeForced(request, sink, outcome));
    if (!more) break;
    if (!chosen_.empty()) {
      if (stop()) return Fail(ErrorKind::kCancelled, "the request was cancelled");
      if (options_.gate != nullptr) AX_RETURN_IF_ERROR(options_.gate->Yield(stop));
      const size_t over = IsFull(request) ? 1 : 0;
      const std::span<const int32_t> fitting(chosen_.data(), chosen_.size() - over);
      AX_RETURN_IF_ERROR(Compute(fitting, kLeastForcedChunk, stop));
      if (over > 0) {
        AX_RETURN_IF_ERROR(Shift(request, chosen_.back(), stop));
        ++outcome->shifts;
      }
      chosen_.clear();
    }
    AX_ASSIGN_OR_RETURN(more, TakeSampled(request, sink, outcome));
    if (!more) break;
  }
  if (!matcher_.match()) ShowCharacters(matcher_.Flush(), true, sink);
  return {};
}

// Makes room by forgetting, and computes `token` at the end of what is left. Rows cannot move in
// the cache, since their keys hold their positions: those behind the gap are computed anew.
Status Generator::Shift(const Request& request, int32_t token, const npu::StopCheck& stop) {
  const size_t wanted =
      request.keep_tokens < 0 ? request.tokens.size() : static_cast<size_t>(request.keep_tokens);
  // llama.cpp's bound: four tokens at least are not kept.
  const size_t keep = std::min(wanted, rows_.size() - std::min<size_t>(rows_.size(), 3));
  const size_t forget = std::max<size_t>((rows_.size() - keep) / 2, 1);
  std::vector<int32_t> left = rows_;
  left.erase(left.begin() + static_cast<ptrdiff_t>(keep),
             left.begin() + static_cast<ptrdiff_t>(keep + forget));
  left.push_back(token);
  rows_.resize(keep);
  return Compute(std::span<const int32_t>(left).subspan(keep), 2, stop);
}

// Takes what the grammar forces; false when the answer has ended. Where probabilities are wanted,
// forced tokens are sampled too: only a step of their own gives them.
Result<bool> Generator::TakeForced(const Request& request, PieceSink& sink, Outcome* outcome) {
  if (request.grammar == nullptr || request.logprobs > 0) return true;
  while (!IsFull(request)) {
    AX_RETURN_IF_ERROR(constraint_.Forced(&forced_));
    if (forced_.empty()) break;
    for (const int32_t token : forced_) {
      if (IsFull(request)) break;  // the rest is forced again when there is room
      AX_ASSIGN_OR_RETURN(const bool more, Take(request, token, sink, outcome));
      if (!more) return false;
    }
  }
  return true;
}

Result<bool> Generator::TakeSampled(const Request& request, PieceSink& sink, Outcome* outcome) {
  for (int tries = 0; tries < kMostRefused; ++tries) {
    AX_ASSIGN_OR_RETURN(const std::span<const uint32_t> allowed, constraint_.Allowed());
    AX_ASSIGN_OR_RETURN(const int32_t token, sampler_.Sample(model_.logits(), allowed));
    if (constraint_.Check(token)) return Take(request, token, sink, outcome);
  }
  return Fail(ErrorKind::kInvalid, "no token ends with " + request.grammar_after);
}

// One more token of the answer; false when it ends with it.
Result<bool> Generator::Take(const Request& request, int32_t token, PieceSink& sink,
                             Outcome* outcome) {
  uint32_t& predicted = outcome->timings.predicted_n;
  ++predicted;
  if (IsEnd(request, token, outcome)) return false;
  sampler_.Accept(token);
  AX_RETURN_IF_ERROR(constraint_.Accept(token));
  chosen_.push_back(token);
  logprobs_.resize(request.logprobs == 0 ? 0 : request.logprobs + 1);
  if (!logprobs_.empty()) sampler_.Logprobs(model_.logits(), token, logprobs_);
  if (Show(request, token, logprobs_, sink, outcome)) return false;
  if (constraint_.complete()) {
    outcome->stop = StopType::kEos;
    return false;
  }
  const bool enough = request.max_tokens > 0 && predicted >= request.max_tokens;
  return !enough && (request.shift || !IsFull(request));
}

bool Generator::IsFull(const Request& request) const {
  return rows_.size() + chosen_.size() >= ContextOf(request, model_.limits());
}

// Whether the token ends the answer without being a part of it.
bool Generator::IsEnd(const Request& request, int32_t token, Outcome* outcome) const {
  const std::vector<int32_t>& eos = options_.eos_ids;
  if (std::find(eos.begin(), eos.end(), token) != eos.end()) {
    outcome->stop = StopType::kEos;
    return true;
  }
  for (const auto& [id, word] : request.stop_tokens) {
    if (id != token) continue;
    outcome->stop = StopType::kWord;
    outcome->stopping_word = request.stop[word];
    return true;
  }
  return false;
}

// Hands the token and the text that is certain by now on; true when a stop string was found.
bool Generator::Show(const Request& request, int32_t token, std::span<const TokenLogprob> logprobs,
                     PieceSink& sink, Outcome* outcome) {
  sink.OnToken(token, logprobs);
  if (options_.tokenizer == nullptr) return false;
  // A model's vocabulary may be padded beyond the tokenizer's: such an id has no text.
  if (static_cast<uint32_t>(token) >= options_.tokenizer->vocab_size()) return false;
  const bool shown =
      std::find(request.shown.begin(), request.shown.end(), token) != request.shown.end();
  const Result<std::string_view> bytes = options_.tokenizer->TokenBytes(token, shown);
  if (!bytes || bytes->empty()) return false;
  const std::string_view certain = matcher_.Feed(*bytes);
  ShowCharacters(certain, matcher_.match().has_value(), sink);
  if (!matcher_.match()) return false;
  outcome->stop = StopType::kWord;
  outcome->stopping_word = request.stop[*matcher_.match()];
  return true;
}

void Generator::ShowCharacters(std::string_view bytes, bool last, PieceSink& sink) {
  text_.clear();
  utf8_.Push(bytes, &text_);
  if (last) utf8_.Flush(&text_);
  if (!text_.empty()) sink.OnText(text_);
}

}  // namespace axollama::engine
