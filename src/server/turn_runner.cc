#include "server/turn_runner.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "api/completion.h"
#include "base/clock.h"
#include "base/log.h"
#include "dialect/required_tools.h"
#include "server/completion.h"
#include "server/turn_reply.h"
#include "server/turn_style.h"

namespace axollama::server {
namespace {

// A model that never ends is ended, after as many contexts as Ollama allows.
constexpr int64_t kContextsPerAnswer = 10;

// What "json" asks for, as in Ollama's grammar.
constexpr std::string_view kAnyObject = R"({"type":"object"})";

// Of options that there are not. A request may name any number of them, at any length.
constexpr size_t kMaxToldOptions = 8;
constexpr size_t kMaxToldBytes = 64;

void TellUnknown(const std::vector<std::string>& options) {
  const size_t told = std::min(options.size(), kMaxToldOptions);
  for (size_t i = 0; i < told; ++i) {
    log::Warn("server", "invalid option provided: {}", options[i].substr(0, kMaxToldBytes));
  }
  if (told < options.size()) {
    log::Warn("server", "{} more invalid options were provided", options.size() - told);
  }
}

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
        style_(StyleOf(model, turn)),
        options_(api::Merge(turn.options, model.parameters)),
        delivery_(delivery),
        responder_(responder),
        sink_(sink) {}

  Result<api::CompletionRequest> Prepare(const Models::Grant& grant, CallSlot& slot) override;
  Taken Take(const api::CompletionEvent& event) override;

  // After the last event.
  api::Piece& whole() { return whole_; }
  api::Finish& finish() { return finish_; }

 private:
  Status Constrain(const Models::Grant& grant, CallSlot& slot, api::CompletionRequest* completion);
  void End(const api::CompletionEvent& event);

  const ServedModel& model_;
  const api::Turn& turn_;
  const TurnStyle style_;
  const api::Options options_;
  const Delivery delivery_;
  net::Responder& responder_;
  const PieceSink& sink_;
  std::vector<dialect::Tool> tools_;
  std::optional<TurnReply> reply_;
  api::Piece whole_;  // of kWhole
  api::Finish finish_;
};

Result<api::CompletionRequest> TurnAnswer::Prepare(const Models::Grant& grant, CallSlot& slot) {
  whole_ = {};
  finish_ = {};
  AX_ASSIGN_OR_RETURN(TurnPrompt prompt, MakePrompt(model_, turn_, options_, grant, slot));
  SetTruncationHeaders(prompt, responder_);
  finish_.prompt_tokens = prompt.tokens;
  AX_ASSIGN_OR_RETURN(tools_, dialect::ReadTools(style_.calls ? turn_.tools_json : ""));
  reply_.emplace(style_, prompt.in_thinking, tools_);

  api::CompletionRequest completion;
  completion.sampling = api::Resolve(options_);
  if (style_.inserts) {
    const std::vector<std::string>& ends = model_.bundle->insert.ends;
    completion.sampling.stop.insert(completion.sampling.stop.end(), ends.begin(), ends.end());
  }
  completion.context_tokens = ContextOf(options_, grant.props());
  completion.shift = turn_.shift;
  completion.keep_tokens = completion.sampling.num_keep;
  int64_t& limit = completion.sampling.num_predict;
  const int64_t most = kContextsPerAnswer * completion.context_tokens;
  limit = limit < 0 ? most : std::min(limit, most);
  completion.logit_bias = turn_.logit_bias;
  if (turn_.logprobs) completion.n_probs = std::max<int64_t>(turn_.top_logprobs, 1);
  if (style_.thinks || style_.calls) {
    for (const std::string_view mark : dialect::Marks(style_.dialect)) {
      completion.preserved_tokens.emplace_back(mark);
    }
  }
  AX_RETURN_IF_ERROR(Constrain(grant, slot, &completion));
  completion.prompt = std::move(prompt.tokens);
  return completion;
}

Status TurnAnswer::Constrain(const Models::Grant& grant, CallSlot& slot,
                             api::CompletionRequest* completion) {
  if (!Constrained(turn_, style_)) return {};
  if (style_.thinks) completion->grammar_after = style_.dialect.think_close;
  const bool schema = turn_.format.kind == api::Format::Kind::kSchema;
  const std::string form(schema ? turn_.format.schema_json : kAnyObject);
  if (!style_.calls) {
    completion->json_schema = form;
    return {};
  }
  // A mark that is one token is called by its id, since a special token is no text.
  std::vector<dialect::MarkToken> marks;
  for (const std::string_view mark : dialect::Marks(style_.dialect)) {
    AX_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, Tokenize(grant, slot, mark, false));
    if (ids.size() == 1) marks.push_back({mark, ids[0]});
  }
  dialect::RequiredTools required;
  if (turn_.tool_choice.kind == api::ToolChoice::Kind::kNamed)
    required.only = turn_.tool_choice.name;
  required.parallel = turn_.parallel_tool_calls;
  if (!style_.must_call) required.or_json = form;
  AX_ASSIGN_OR_RETURN(completion->grammar,
                      dialect::RequiredToolsGrammar(style_.dialect, tools_, required, marks));
  return {};
}

Answering::Taken TurnAnswer::Take(const api::CompletionEvent& event) {
  finish_.tokens.insert(finish_.tokens.end(), event.tokens.begin(), event.tokens.end());
  std::vector<api::TokenLogprob> logprobs;
  if (turn_.logprobs) logprobs = event.logprobs;
  if (turn_.top_logprobs == 0) {
    for (api::TokenLogprob& one : logprobs) one.top.clear();
  }
  const bool was_thinking = reply_->in_thinking();
  api::Piece piece = reply_->Take(event.content, std::move(logprobs), event.stop);
  if (was_thinking || reply_->in_thinking()) {
    finish_.thinking_tokens += static_cast<int64_t>(event.tokens.size());
  }
  if (event.stop) End(event);
  if (IsEmpty(piece)) return Taken::kKept;
  piece.prompt_tokens = static_cast<int64_t>(finish_.prompt_tokens.size());
  if (delivery_ == Delivery::kWhole) {
    Append(std::move(piece), &whole_);
    return Taken::kKept;
  }
  return sink_(piece) ? Taken::kSent : Taken::kGone;
}

void TurnAnswer::End(const api::CompletionEvent& event) {
  finish_.done_reason = api::DoneReason(event.stop_type);
  finish_.calls = reply_->calls();
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

Result<api::Finish> RunTurn(Models& models, const ServedModel& model, const api::Turn& turn,
                            Delivery delivery, net::Responder& responder, const PieceSink& sink) {
  const int64_t start_ns = MonotonicNs();
  AX_RETURN_IF_ERROR(CheckTurn(model, turn));
  TellUnknown(turn.options.unknown);
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
