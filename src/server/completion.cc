#include "server/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "api/completion.h"
#include "api/errors.h"
#include "api/runner.h"
#include "base/clock.h"
#include "base/log.h"

namespace axollama::server {
namespace {

using std::chrono::milliseconds;

// Tokenising and templates need no device; longer means that the runner is stuck.
constexpr milliseconds kAskLimit{30'000};

// While it lives, the client's leaving ends whatever the slot's call is doing, and any wait.
class GoneWatch {
 public:
  GoneWatch(Models& models, net::Responder& responder, std::shared_ptr<CallSlot> slot)
      : responder_(responder) {
    responder_.OnGone([&models, slot] {
      slot->Cancel(StopReason::kClientGone);
      models.Wake();
    });
    if (responder_.gone()) slot->Cancel(StopReason::kClientGone);
  }
  ~GoneWatch() { responder_.OnGone(nullptr); }

 private:
  net::Responder& responder_;
};

struct Failure {
  Error error;
  bool again = false;  // a new runner may do better
};

Failure FromSlot(const CallSlot& slot, Error error) {
  switch (slot.reason()) {
    case StopReason::kNone:
      break;
    case StopReason::kClientGone:
      return {{ErrorKind::kCancelled, "request canceled"}, false};
    case StopReason::kShutdown:
      return {{ErrorKind::kUnavailable, "the server is shutting down"}, false};
    case StopReason::kStalled:
    case StopReason::kReset:
      return {api::RunnerStopped(), true};
  }
  return {std::move(error), false};
}

// What a failed call to the runner means, and what the runner's model has to know of it.
Failure FromRunner(Models::Grant& grant, const CallSlot& slot, Error error) {
  if (slot.reason() != StopReason::kNone) return FromSlot(slot, std::move(error));
  switch (error.kind) {
    case ErrorKind::kIo:
    case ErrorKind::kUnavailable:
    case ErrorKind::kTimeout:
      log::Warn("server", "{}: the runner's answer broke off: {}", grant.name(), error.message);
      grant.RunnerBroke();
      return {api::RunnerStopped(), true};
    case ErrorKind::kDevice:
      log::Warn("server", "{}: {}", grant.name(), error.message);
      grant.DeviceFailed();
      return {std::move(error), true};
    default:
      return {std::move(error), false};
  }
}

class Attempt {
 public:
  Attempt(const AnswerRequest& request, Models::Grant& grant, CallSlot& slot, Answer* answer,
          bool* sent)
      : request_(request), grant_(grant), slot_(slot), answer_(answer), sent_(sent) {}

  std::optional<Failure> Go();

 private:
  std::optional<Failure> Stream(net::ClientCall& call);
  std::optional<Failure> Take(const api::CompletionEvent& event);

  const AnswerRequest& request_;
  Models::Grant& grant_;
  CallSlot& slot_;
  Answer* const answer_;
  bool* const sent_;
  int64_t first_ns_ = 0;
};

std::optional<Failure> Attempt::Go() {
  *answer_ = {};
  auto tokens = request_.prompt(grant_);
  if (!tokens) return FromRunner(grant_, slot_, tokens.error());
  answer_->prompt_tokens = *tokens;

  const int64_t bundle_context = grant_.props().context_tokens;
  const int64_t context =
      std::clamp<int64_t>(request_.options.num_ctx.value_or(bundle_context), 4, bundle_context);
  const auto prompt_tokens = static_cast<int64_t>(tokens->size());
  if (prompt_tokens >= context) return Failure{api::PromptTooLong(prompt_tokens, context), false};
  api::CompletionRequest completion;
  completion.sampling = api::Resolve(request_.options);
  if (context < bundle_context) {
    int64_t& limit = completion.sampling.num_predict;
    limit = limit < 0 ? context - prompt_tokens : std::min(limit, context - prompt_tokens);
  }
  completion.prompt = std::move(*tokens);

  net::ClientRequest http;
  http.method = "POST";
  http.path = "/completion";
  http.headers.Set("Content-Type", "application/json");
  http.body = api::WriteCompletionRequest(completion);
  slot_.moved_ns = MonotonicNs();
  auto call = net::ClientCall::Start(grant_.target(), std::move(http));
  if (!call) return FromRunner(grant_, slot_, call.error());
  slot_.Set(call->get());
  std::optional<Failure> failure = Stream(**call);
  slot_.Set(nullptr);
  return failure;
}

std::optional<Failure> Attempt::Stream(net::ClientCall& call) {
  if (const Status header = call.ReadHeader(); !header) {
    return FromRunner(grant_, slot_, header.error());
  }
  if (call.status() != 200) {
    auto body = call.ReadAll();
    if (!body) return FromRunner(grant_, slot_, body.error());
    return FromRunner(grant_, slot_, api::ParseRunnerError(call.status(), *body));
  }
  std::string line;
  for (;;) {
    const Result<bool> more = call.ReadLine(&line);
    slot_.moved_ns = MonotonicNs();
    if (!more) return FromRunner(grant_, slot_, more.error());
    if (!*more) {
      return FromRunner(grant_, slot_, {ErrorKind::kIo, "the answer ended without its last event"});
    }
    const auto event = api::ParseCompletionLine(line);
    if (!event) return FromRunner(grant_, slot_, event.error());
    if (!*event) continue;
    if (auto failure = Take(**event)) return failure;
    if ((*event)->stop) return std::nullopt;
  }
}

std::optional<Failure> Attempt::Take(const api::CompletionEvent& event) {
  answer_->tokens.insert(answer_->tokens.end(), event.tokens.begin(), event.tokens.end());
  if (!event.content.empty()) {
    if (request_.on_text) {
      *sent_ = true;
      slot_.waits_for_client = true;
      const bool taken = request_.on_text(event.content);
      slot_.moved_ns = MonotonicNs();
      slot_.waits_for_client = false;
      if (!taken) slot_.Cancel(StopReason::kClientGone);
    } else {
      answer_->text += event.content;
    }
  }
  if (slot_.reason() == StopReason::kClientGone) return FromSlot(slot_, {});
  if (event.stop) {
    grant_.Succeeded();
    answer_->done_reason = api::DoneReason(event.stop_type);
    api::Statistics& out = answer_->statistics;
    const api::CompletionTimings& timings = event.timings;
    out.total_ns = MonotonicNs() - request_.start_ns;
    out.load_ns = grant_.waited_ns();
    out.prompt_tokens = timings.cache_n + timings.prompt_n;
    out.prompt_ns = static_cast<int64_t>(timings.prompt_ms * 1e6);
    out.eval_tokens = timings.predicted_n;
    out.eval_ns = static_cast<int64_t>(timings.predicted_ms * 1e6);
  }
  return std::nullopt;
}

}  // namespace

Result<Answer> Run(Models& models, const AnswerRequest& request, net::Responder& responder) {
  bool sent = false;
  for (int attempt = 0;; ++attempt) {
    const auto slot = std::make_shared<CallSlot>();
    const GoneWatch watch(models, responder, slot);
    Models::Request wanted;
    wanted.model = request.model;
    wanted.keep_alive_ns = request.keep_alive_ns;
    wanted.slot = slot;
    auto grant = models.Acquire(std::move(wanted));
    if (!grant) {
      const Failure failure = FromSlot(*slot, grant.error());
      if (failure.again && attempt == 0) continue;
      return Fail(failure.error);
    }
    if (attempt == 0) {
      responder.SetHeader("X-Axollama-Context-Length",
                          std::to_string(grant->props().context_tokens));
    }
    Answer answer;
    std::optional<Failure> failure = Attempt(request, *grant, *slot, &answer, &sent).Go();
    if (!failure) return answer;
    if (!failure->again || sent || attempt > 0) return Fail(std::move(failure->error));
    log::Info("server", "{}: running the request again", grant->name());
  }
}

Result<int64_t> LoadOnly(Models& models, const bundle::ModelRef& model,
                         std::optional<int64_t> keep_alive_ns, net::Responder& responder) {
  const auto slot = std::make_shared<CallSlot>();
  const GoneWatch watch(models, responder, slot);
  Models::Request wanted;
  wanted.model = model;
  wanted.keep_alive_ns = keep_alive_ns;
  wanted.load_only = true;
  wanted.slot = slot;
  auto grant = models.Acquire(std::move(wanted));
  if (!grant) return Fail(FromSlot(*slot, grant.error()).error);
  return grant->waited_ns();
}

Result<std::vector<int32_t>> Tokenize(const Models::Grant& grant, std::string_view text,
                                      bool add_special) {
  AX_ASSIGN_OR_RETURN(
      const std::string body,
      AskRunner(grant.target(), "POST", "/tokenize",
                api::WriteTokenizeRequest(text, add_special, true), kAskLimit, &grant.slot()));
  return api::ParseTokens(body);
}

Result<std::string> ApplyTemplate(const Models::Grant& grant,
                                  const std::vector<api::Message>& messages) {
  AX_ASSIGN_OR_RETURN(const std::string body, AskRunner(grant.target(), "POST", "/apply-template",
                                                        api::WriteApplyTemplateRequest(messages),
                                                        kAskLimit, &grant.slot()));
  return api::ParsePrompt(body);
}

}  // namespace axollama::server
