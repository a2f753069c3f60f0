// /api/generate and /api/chat: requests of Ollama become completions of a runner.
#include <functional>
#include <optional>
#include <utility>

#include "api/chat.h"
#include "api/errors.h"
#include "api/generate.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/completion.h"
#include "server/routes.h"

namespace axollama::server {
namespace {

void WarnOfUnknown(const api::Options& options) {
  for (const std::string& name : options.unknown) {
    log::Warn("server", "invalid option provided: {}", name);
  }
}

// The model's system text goes first unless the conversation begins with one.
std::vector<api::Message> WithSystem(std::vector<api::Message> messages,
                                     const std::string& system) {
  if (!system.empty() && (messages.empty() || messages.front().role != "system")) {
    api::Message first;
    first.role = "system";
    first.content = system;
    messages.insert(messages.begin(), std::move(first));
  }
  return messages;
}

// What differs between the two routes, once a request is read.
struct Conversation {
  bool stream = true;
  AnswerRequest answer;
  std::function<std::string(std::string_view text)> chunk;
  std::function<std::string(const Answer&)> last;
};

void Converse(Models& models, Conversation& conversation, net::Responder& responder) {
  if (conversation.stream) {
    conversation.answer.on_text = [&](std::string_view text) {
      return SendLine(responder, conversation.chunk(text));
    };
  }
  const auto answer = Run(models, conversation.answer, responder);
  if (!answer) return SendError(responder, answer.error());
  if (conversation.stream) {
    SendLine(responder, conversation.last(*answer));
  } else {
    SendJson(responder, conversation.last(*answer));
  }
}

// What both routes do with a request before they differ: an error, an unload or a load is answered
// here, and nullopt returned.
template <typename Request>
std::optional<Conversation> Begin(Models& models, Result<Request>& request,
                                  std::string (*write_loaded)(std::string_view, int64_t,
                                                              std::string_view),
                                  net::Responder& responder) {
  const auto fail = [&](const Error& error) {
    SendError(responder, error);
    return std::nullopt;
  };
  const auto send = [&](std::string_view reason) {
    SendJson(responder, write_loaded(request->model, WallNs(), reason));
    return std::nullopt;
  };
  Conversation conversation;
  conversation.answer.start_ns = MonotonicNs();
  if (!request) return fail(request.error());
  const auto model = bundle::FindModel(models.roots(), request->model);
  if (!model) return fail(model.error());
  if (request->refused) return fail(*request->refused);
  if (request->unload()) {
    models.Unload(*model);
    return send("unload");
  }
  if (request->load_only()) {
    const auto loaded = LoadOnly(models, *model, request->keep_alive_ns, responder);
    if (!loaded) return fail(loaded.error());
    return send("load");
  }
  WarnOfUnknown(request->options);
  conversation.stream = request->stream;
  conversation.answer.model = *model;
  conversation.answer.keep_alive_ns = request->keep_alive_ns;
  conversation.answer.options = std::move(request->options);
  return conversation;
}

}  // namespace

void Routes::Generate(const net::Request& http, net::Responder& responder) {
  auto request = api::ParseGenerate(http.body);
  auto begun = Begin(*models_, request, api::WriteGenerateLoaded, responder);
  if (!begun) return;
  Conversation& conversation = *begun;
  const std::string& name = request->model;
  conversation.answer.prompt = [&](const Models::Grant& grant) -> Result<std::vector<int32_t>> {
    if (request->raw) return Tokenize(grant, request->prompt, true);
    api::Message user;
    user.role = "user";
    user.content = request->prompt;
    const std::string& system =
        request->system.empty() ? grant.bundle().system_prompt : request->system;
    AX_ASSIGN_OR_RETURN(const std::string prompt,
                        ApplyTemplate(grant, WithSystem({std::move(user)}, system)));
    // The tokens of the turns before stand as they were, so that the runner finds them cached.
    AX_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens,
                        Tokenize(grant, prompt, request->context.empty()));
    std::vector<int32_t> out = request->context;
    out.insert(out.end(), tokens.begin(), tokens.end());
    return out;
  };
  conversation.chunk = [&](std::string_view text) {
    return api::WriteGenerateChunk(name, WallNs(), text);
  };
  conversation.last = [&](const Answer& answer) {
    std::vector<int32_t> context;
    if (!request->raw) {
      context = answer.prompt_tokens;
      context.insert(context.end(), answer.tokens.begin(), answer.tokens.end());
    }
    return api::WriteGenerateFinal(name, WallNs(), answer.text, answer.done_reason, context,
                                   answer.statistics);
  };
  Converse(*models_, conversation, responder);
}

void Routes::Chat(const net::Request& http, net::Responder& responder) {
  auto request = api::ParseChat(http.body);
  auto begun = Begin(*models_, request, api::WriteChatLoaded, responder);
  if (!begun) return;
  Conversation& conversation = *begun;
  const std::string& name = request->model;
  conversation.answer.prompt = [&](const Models::Grant& grant) -> Result<std::vector<int32_t>> {
    AX_ASSIGN_OR_RETURN(
        const std::string prompt,
        ApplyTemplate(grant, WithSystem(request->messages, grant.bundle().system_prompt)));
    return Tokenize(grant, prompt, true);
  };
  conversation.chunk = [&](std::string_view text) {
    return api::WriteChatChunk(name, WallNs(), text);
  };
  conversation.last = [&](const Answer& answer) {
    return api::WriteChatFinal(name, WallNs(), answer.text, answer.done_reason, answer.statistics);
  };
  Converse(*models_, conversation, responder);
}

}  // namespace axollama::server
