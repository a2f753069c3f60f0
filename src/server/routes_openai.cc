// /v1/chat/completions, /v1/completions, /v1/models: requests of OpenAI's become turns.
#include <utility>
#include <vector>

#include "api/openai_answer.h"
#include "api/openai_chat.h"
#include "api/openai_completions.h"
#include "api/openai_models.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/compat.h"
#include "server/routes.h"
#include "server/turn_runner.h"

namespace axollama::server {
namespace {

constexpr std::string_view kOneModel = "/v1/models/";

api::OpenAiHead Head(const char* prefix, const api::Turn& turn) {
  return {NewId(prefix), WallNs() / 1'000'000'000, turn.model};
}

// The choices one after another, as the events of `stream`.
template <typename Request, typename Stream>
void SendChoices(Models& models, const ServedModel& model, const Request& request, Stream& stream,
                 net::Responder& responder) {
  for (int64_t i = 0; i < request.choices(); ++i) {
    const auto finish =
        RunTurn(models, model, request.Choice(i), Delivery::kStream, responder,
                [&](const api::Piece& piece) { return SendEvents(responder, stream.Take(piece)); });
    if (!finish) return SendOpenAiError(responder, finish.error());
    if (!SendEvents(responder, stream.EndChoice(*finish))) return;
  }
  SendEvents(responder, stream.End());
}

template <typename Request>
Result<std::vector<api::OpenAiChoice>> AllChoices(Models& models, const ServedModel& model,
                                                  const Request& request,
                                                  net::Responder& responder) {
  std::vector<api::OpenAiChoice> choices;
  for (int64_t i = 0; i < request.choices(); ++i) {
    api::OpenAiChoice& choice = choices.emplace_back();
    AX_ASSIGN_OR_RETURN(choice.finish, RunTurn(models, model, request.Choice(i), Delivery::kWhole,
                                               responder, [&](const api::Piece& whole) {
                                                 choice.answer = whole;
                                                 return true;
                                               }));
  }
  return choices;
}

}  // namespace

void Routes::OpenAiChat(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseOpenAiChat(http.body);
  if (!request) return SendOpenAiError(responder, request.error());
  const auto model = FindServed(*models_, request->turn.model);
  if (!model) return SendOpenAiError(responder, model.error());
  api::OpenAiHead head = Head("chatcmpl-", request->turn);
  if (request->stream) {
    api::OpenAiChatStream stream(std::move(head), request->include_usage);
    return SendChoices(*models_, *model, *request, stream, responder);
  }
  const auto choices = AllChoices(*models_, *model, *request, responder);
  if (!choices) return SendOpenAiError(responder, choices.error());
  SendJson(responder, api::WriteOpenAiChat(head, *choices, request->turn.logprobs));
}

void Routes::OpenAiCompletion(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseOpenAiCompletion(http.body);
  if (!request) return SendOpenAiError(responder, request.error());
  const auto model = FindServed(*models_, request->turn.model);
  if (!model) return SendOpenAiError(responder, model.error());
  api::OpenAiCompletionAnswer answer(Head("cmpl-", request->turn), *request);
  if (request->stream) return SendChoices(*models_, *model, *request, answer, responder);
  const auto choices = AllChoices(*models_, *model, *request, responder);
  if (!choices) return SendOpenAiError(responder, choices.error());
  SendJson(responder, answer.Write(*choices));
}

void Routes::OpenAiModels(const net::Request& request, net::Responder& responder) {
  std::vector<api::OpenAiModel> models;
  for (const store::Model& model : models_->store().List()) {
    if (const auto served = ServedFrom(*models_, model); !served && !model.stored) {
      log::Debug("server", "{} is not listed: {}", model.name.Short(), served.error().message);
      continue;
    }
    models.push_back({model.name.Short(), model.modified_ns});
  }
  SendJson(responder,
           WithTheirs(request, responder, "data", api::WriteOpenAiModels(std::move(models))));
}

void Routes::OpenAiModel(const net::Request& http, net::Responder& responder) {
  const std::string name = http.path.substr(kOneModel.size());
  const auto model = models_->store().Find(name);
  if (!model) return SendOpenAiError(responder, model.error());
  SendJson(responder, api::WriteOpenAiModel({name, model->modified_ns}));
}

}  // namespace axollama::server
