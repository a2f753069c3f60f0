// /api/generate and /api/chat: requests of Ollama become completions of a runner.
#include <functional>
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
  std::string name;  // as the client spelled it
  bool stream = true;
  AnswerRequest answer;
  std::function<std::string(std::string_view text)> chunk;
  std::function<std::string(const Answer&)> last;
};

void Converse(Models& models, Conversation conversation, net::Responder& responder) {
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

}  // namespace

void Routes::Generate(const net::Request& http, net::Responder& responder) {
  const int64_t start_ns = MonotonicNs();
  auto request = api::ParseGenerate(http.body);
  if (!request) return SendError(responder, request.error());
  const auto model = bundle::FindModel(models_->roots(), request->model);
  if (!model) return SendError(responder, model.error());
  const std::string name = request->model;
  if (request->unload()) {
    models_->Unload(*model);
    return SendJson(responder, api::WriteGenerateLoaded(name, WallNs(), "unload"));
  }
  if (request->load_only()) {
    const auto loaded = LoadOnly(*models_, *model, request->keep_alive_ns, responder);
    if (!loaded) return SendError(responder, loaded.error());
    return SendJson(responder, api::WriteGenerateLoaded(name, WallNs(), "load"));
  }
  WarnOfUnknown(request->options);

  Conversation conversation;
  conversation.stream = request->stream;
  conversation.answer.model = *model;
  conversation.answer.keep_alive_ns = request->keep_alive_ns;
  conversation.answer.options = std::move(request->options);
  conversation.answer.start_ns = start_ns;
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
  Converse(*models_, std::move(conversation), responder);
}

void Routes::Chat(const net::Request& http, net::Responder& responder) {
  const int64_t start_ns = MonotonicNs();
  auto request = api::ParseChat(http.body);
  if (!request) return SendError(responder, request.error());
  const auto model = bundle::FindModel(models_->roots(), request->model);
  if (!model) return SendError(responder, model.error());
  const std::string name = request->model;
  if (request->unload()) {
    models_->Unload(*model);
    return SendJson(responder, api::WriteChatLoaded(name, WallNs(), "unload"));
  }
  if (request->load_only()) {
    const auto loaded = LoadOnly(*models_, *model, request->keep_alive_ns, responder);
    if (!loaded) return SendError(responder, loaded.error());
    return SendJson(responder, api::WriteChatLoaded(name, WallNs(), "load"));
  }
  WarnOfUnknown(request->options);

  Conversation conversation;
  conversation.stream = request->stream;
  conversation.answer.model = *model;
  conversation.answer.keep_alive_ns = request->keep_alive_ns;
  conversation.answer.options = std::move(request->options);
  conversation.answer.start_ns = start_ns;
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
  Converse(*models_, std::move(conversation), responder);
}

}  // namespace axollama::server
