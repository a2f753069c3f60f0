#include "server/turn_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "api/completion.h"
#include "api/errors.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/completion.h"

namespace axollama::server {
namespace {

// A model that never ends is ended, after as many contexts as Ollama allows.
constexpr int64_t kContextsPerAnswer = 10;

Error Bad(std::string message) { return {ErrorKind::kInvalid, std::move(message)}; }

void SetTruncationHeaders(const TurnPrompt& prompt, net::Responder& responder) {
  if (responder.begun()) return;
  if (prompt.dropped_messages > 0) {
    responder.SetHeader("X-Axollama-Truncated-Messages", std::to_string(prompt.dropped_messages));
  }
  if (prompt.cut_tokens > 0) {
    responder.SetHeader("X-Axollama-Truncated-Tokens", std::to_string(prompt.cut_tokens));
  }
}

class TurnAnswer final : public Answering {
 public:
  TurnAnswer(const ServedModel& model, const api::Turn& turn, Delivery delivery,
             net::Responder& responder, const PieceSink& sink)
      : model_(model),
        turn_(turn),
        options_(api::Merge(turn.options, model.parameters)),
        delivery_(delivery),
        responder_(responder),
        sink_(sink) {}

  Result<api::CompletionRequest> Prepare(const Models::Grant& grant, CallSlot& slot) override;
  Taken Take(const api::CompletionEvent& event) override;

  // After the last event.
  const api::Piece& whole() const { return whole_; }
  api::Finish& finish() { return finish_; }

 private:
  void End(const api::CompletionEvent& event);

  const ServedModel& model_;
  const api::Turn& turn_;
  const api::Options options_;
  const Delivery delivery_;
  net::Responder& responder_;
  const PieceSink& sink_;
  api::Piece whole_;  // of kWhole
  api::Finish finish_;
};

Result<api::CompletionRequest> TurnAnswer::Prepare(const Models::Grant& grant, CallSlot& slot) {
  whole_ = {};
  finish_ = {};
  AX_ASSIGN_OR_RETURN(TurnPrompt prompt, MakePrompt(model_, turn_, options_, grant, slot));
  SetTruncationHeaders(prompt, responder_);
  finish_.prompt_tokens = prompt.tokens;

  api::CompletionRequest completion;
  completion.sampling = api::Resolve(options_);
  completion.context_tokens = ContextOf(options_, grant.props());
  completion.shift = turn_.shift;
  completion.keep_tokens = completion.sampling.num_keep;
  int64_t& limit = completion.sampling.num_predict;
  const int64_t most = kContextsPerAnswer * completion.context_tokens;
  limit = limit < 0 ? most : std::min(limit, most);
  completion.prompt = std::move(prompt.tokens);
  return completion;
}

Answering::Taken TurnAnswer::Take(const api::CompletionEvent& event) {
  finish_.tokens.insert(finish_.tokens.end(), event.tokens.begin(), event.tokens.end());
  if (event.stop) End(event);
  if (event.content.empty()) return Taken::kKept;
  if (delivery_ == Delivery::kWhole) {
    whole_.content += event.content;
    return Taken::kKept;
  }
  api::Piece piece;
  piece.prompt_tokens = static_cast<int64_t>(finish_.prompt_tokens.size());
  piece.content = event.content;
  return sink_(piece) ? Taken::kSent : Taken::kGone;
}

void TurnAnswer::End(const api::CompletionEvent& event) {
  finish_.done_reason = api::DoneReason(event.stop_type);
  // A stop string of the model's own ends an answer as its end token does.
  const std::vector<std::string> own = turn_.options.stop.value_or(std::vector<std::string>());
  if (std::find(own.begin(), own.end(), event.stopping_word) != own.end()) {
    finish_.stop_sequence = event.stopping_word;
  }
  const api::CompletionTimings& timings = event.timings;
  finish_.cached_tokens = timings.cache_n;
  finish_.prompt_ns = static_cast<int64_t>(timings.prompt_ms * 1e6);
  finish_.eval_tokens = timings.predicted_n;
  finish_.eval_ns = static_cast<int64_t>(timings.predicted_ms * 1e6);
}

}  // namespace

Status CheckTurn(const ServedModel& model, const api::Turn& turn) {
  const std::string full = api::FullModelName(turn.model);
  const bool images = turn.plain ? turn.plain->has_images
                                 : std::any_of(turn.messages.begin(), turn.messages.end(),
                                               [](const auto& m) { return m.has_images; });
  const bool calls = std::any_of(turn.messages.begin(), turn.messages.end(),
                                 [](const auto& m) { return !m.tool_calls.empty(); });
  const bool think = turn.think != api::Think::kUnset && turn.think != api::Think::kOff;
  (void)model;
  if (think && !turn.think_if_able) {
    return Fail(Bad(fmt::format("\"{}\" does not support thinking", turn.model)));
  }
  if (!turn.tools_json.empty() || calls) {
    return Fail(Bad(fmt::format("{} does not support tools", full)));
  }
  if (turn.plain && !turn.plain->suffix.empty()) {
    return Fail(Bad(fmt::format("{} does not support insert", full)));
  }
  if (images) return Fail(Bad(fmt::format("{} does not support vision", full)));
  if (turn.format.kind != api::Format::Kind::kNone) {
    return Fail(Bad("\"format\" is not supported yet: leave it out"));
  }
  if (turn.logprobs) return Fail(Bad("\"logprobs\" is not supported yet: leave it out"));
  if (turn.plain && turn.plain->go_template) {
    return Fail(Bad("\"template\" is not supported yet: leave it out"));
  }
  return {};
}

Result<api::Finish> RunTurn(Models& models, const ServedModel& model, const api::Turn& turn,
                            Delivery delivery, net::Responder& responder, const PieceSink& sink) {
  const int64_t start_ns = MonotonicNs();
  AX_RETURN_IF_ERROR(CheckTurn(model, turn));
  for (const std::string& name : turn.options.unknown) {
    log::Warn("server", "invalid option provided: {}", name);
  }
  TurnAnswer answer(model, turn, delivery, responder, sink);
  AX_ASSIGN_OR_RETURN(const int64_t load_ns,
                      RunCompletion(models, model.ref, turn.keep_alive_ns, responder, answer));
  if (delivery == Delivery::kWhole && !sink(answer.whole())) {
    return Fail(ErrorKind::kCancelled, "request canceled");
  }
  api::Finish finish = std::move(answer.finish());
  finish.load_ns = load_ns;
  finish.total_ns = MonotonicNs() - start_ns;
  return finish;
}

Result<TurnPrompt> RenderTurn(Models& models, const ServedModel& model, const api::Turn& turn,
                              net::Responder& responder) {
  AX_RETURN_IF_ERROR(CheckTurn(model, turn));
  const api::Options options = api::Merge(turn.options, model.parameters);
  TurnPrompt prompt;
  AX_RETURN_IF_ERROR(WithLoaded(models, model.ref, turn.keep_alive_ns, responder,
                                [&](const Models::Grant& grant, CallSlot& slot) -> Status {
                                  AX_ASSIGN_OR_RETURN(
                                      prompt, MakePrompt(model, turn, options, grant, slot));
                                  return {};
                                }));
  SetTruncationHeaders(prompt, responder);
  return prompt;
}

Result<int64_t> CountTurn(Models& models, const ServedModel& model, const api::Turn& turn,
                          net::Responder& responder) {
  AX_RETURN_IF_ERROR(CheckTurn(model, turn));
  int64_t tokens = 0;
  AX_RETURN_IF_ERROR(WithLoaded(models, model.ref, turn.keep_alive_ns, responder,
                                [&](const Models::Grant& grant, CallSlot& slot) -> Status {
                                  AX_ASSIGN_OR_RETURN(const TurnPrompt prompt,
                                                      WholePrompt(model, turn, grant, slot));
                                  tokens = static_cast<int64_t>(prompt.tokens.size());
                                  return {};
                                }));
  return tokens;
}

Status LoadModel(Models& models, const ServedModel& model, std::optional<int64_t> keep_alive_ns,
                 net::Responder& responder) {
  return WithLoaded(models, model.ref, keep_alive_ns, responder, nullptr);
}

}  // namespace axollama::server
