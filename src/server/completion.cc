#include "server/completion.h"

#include <memory>
#include <string>
#include <utility>

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

// Whatever API the client speaks, the header is the same.
void SayWhenToReturn(Models& models, const Error& error, net::Responder& responder) {
  if (error.kind != ErrorKind::kBusy || responder.begun()) return;
  responder.SetHeader("Retry-After", std::to_string(models.RetryAfterS()));
}

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
  Attempt(Answering& answering, Models::Grant& grant, CallSlot& slot, bool* sent)
      : answering_(answering), grant_(grant), slot_(slot), sent_(sent) {}

  std::optional<Failure> Go();

 private:
  std::optional<Failure> Stream(net::ClientCall& call);
  std::optional<Failure> Take(const api::CompletionEvent& event);

  Answering& answering_;
  Models::Grant& grant_;
  CallSlot& slot_;
  bool* const sent_;
};

std::optional<Failure> Attempt::Go() {
  const auto completion = answering_.Prepare(grant_, slot_);
  if (!completion) return FromRunner(grant_, slot_, completion.error());
  net::ClientRequest http;
  http.method = "POST";
  http.path = "/completion";
  http.headers.Set("Content-Type", "application/json");
  http.body = api::WriteCompletionRequest(*completion);
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
  slot_.waits_for_client = true;
  const Answering::Taken taken = answering_.Take(event);
  slot_.moved_ns = MonotonicNs();
  slot_.waits_for_client = false;
  if (taken != Answering::Taken::kKept) *sent_ = true;
  if (taken == Answering::Taken::kGone) slot_.Cancel(StopReason::kClientGone);
  if (slot_.reason() == StopReason::kClientGone) return FromSlot(slot_, {});
  if (event.stop) grant_.Succeeded();
  return std::nullopt;
}

// One attempt with a grant that has a sequence. What it sent cannot be taken back.
using Try = std::function<std::optional<Failure>(Models::Grant& grant, CallSlot& slot)>;

Result<int64_t> TryTwice(Models& models, const bundle::ModelRef& model,
                         std::optional<int64_t> keep_alive_ns, net::Responder& responder,
                         const bool& sent, const Try& run) {
  for (int attempt = 0;; ++attempt) {
    const auto slot = std::make_shared<CallSlot>();
    const GoneWatch watch(models, responder, slot);
    Models::Request wanted;
    wanted.model = model;
    wanted.keep_alive_ns = keep_alive_ns;
    wanted.client = responder.client();
    wanted.slot = slot;
    auto grant = models.Acquire(std::move(wanted));
    if (!grant) {
      SayWhenToReturn(models, grant.error(), responder);
      const Failure failure = FromSlot(*slot, grant.error());
      if (failure.again && attempt == 0) continue;
      return Fail(failure.error);
    }
    if (!responder.begun()) {
      responder.SetHeader("X-Axollama-Context-Length",
                          std::to_string(grant->props().context_tokens));
    }
    std::optional<Failure> failure = run(*grant, *slot);
    if (!failure) return grant->waited_ns();
    if (!failure->again || sent || attempt > 0) return Fail(std::move(failure->error));
    log::Info("server", "{}: running the request again", grant->name());
  }
}

}  // namespace

Result<int64_t> RunCompletion(Models& models, const bundle::ModelRef& model,
                              std::optional<int64_t> keep_alive_ns, net::Responder& responder,
                              Answering& answering) {
  bool sent = false;
  return TryTwice(models, model, keep_alive_ns, responder, sent,
                  [&](Models::Grant& grant, CallSlot& slot) {
                    return Attempt(answering, grant, slot, &sent).Go();
                  });
}

Result<int64_t> WithSequence(
    Models& models, const bundle::ModelRef& model, std::optional<int64_t> keep_alive_ns,
    net::Responder& responder,
    const std::function<Status(const Models::Grant& grant, CallSlot& slot)>& work) {
  return TryTwice(models, model, keep_alive_ns, responder, false,
                  [&](Models::Grant& grant, CallSlot& slot) -> std::optional<Failure> {
                    const Status done = work(grant, slot);
                    if (!done) return FromRunner(grant, slot, done.error());
                    grant.Succeeded();
                    return std::nullopt;
                  });
}

Status WithLoaded(Models& models, const bundle::ModelRef& model,
                  std::optional<int64_t> keep_alive_ns, net::Responder& responder,
                  const std::function<Status(const Models::Grant& grant, CallSlot& slot)>& use) {
  const auto slot = std::make_shared<CallSlot>();
  const GoneWatch watch(models, responder, slot);
  Models::Request wanted;
  wanted.model = model;
  wanted.keep_alive_ns = keep_alive_ns;
  wanted.client = responder.client();
  wanted.load_only = true;
  wanted.slot = slot;
  auto grant = models.Acquire(std::move(wanted));
  if (!grant) {
    SayWhenToReturn(models, grant.error(), responder);
    return Fail(FromSlot(*slot, grant.error()).error);
  }
  if (!use) return {};
  const Status used = use(*grant, *slot);
  if (!used) return Fail(FromRunner(*grant, *slot, used.error()).error);
  return {};
}

Result<std::vector<int32_t>> Tokenize(const Models::Grant& grant, CallSlot& slot,
                                      std::string_view text, bool add_special) {
  const auto most = static_cast<uint64_t>(grant.props().context_tokens) * kMaxTokenBytes;
  if (text.size() > most) {
    return Fail(ErrorKind::kTooLong,
                fmt::format("the prompt has {} bytes, more than the context of {} tokens can hold",
                            text.size(), grant.props().context_tokens));
  }
  AX_ASSIGN_OR_RETURN(
      const std::string body,
      AskRunner(grant.target(), "POST", "/tokenize",
                api::WriteTokenizeRequest(text, add_special, true), kAskLimit, &slot));
  return api::ParseTokens(body);
}

Result<std::string> ApplyTemplate(const Models::Grant& grant, CallSlot& slot, std::string request) {
  AX_ASSIGN_OR_RETURN(const std::string body, AskRunner(grant.target(), "POST", "/apply-template",
                                                        std::move(request), kAskLimit, &slot));
  return api::ParsePrompt(body);
}

}  // namespace axollama::server
