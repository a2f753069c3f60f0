// /api/embed, /api/embeddings and /v1/embeddings.
#include <fmt/format.h>

#include <utility>

#include "api/embed.h"
#include "server/compat.h"
#include "server/embedding.h"
#include "server/routes.h"
#include "server/served_model.h"

namespace axollama::server {
namespace {

// Ollama knows two sentences for a model that is not there, and these routes have the other one.
Result<ServedModel> Find(Models& models, const std::string& name) {
  auto model = FindServed(models, name);
  if (model || model.error().kind != ErrorKind::kNotFound || name.empty()) return model;
  return Fail(ErrorKind::kNotFound,
              fmt::format("model \"{}\" not found, try pulling it first", name));
}

Result<api::Embedded> Embed(Models& models, const api::EmbedRequest& request,
                            net::Responder& responder) {
  AX_ASSIGN_OR_RETURN(const ServedModel model, Find(models, request.model));
  return RunEmbedding(models, model, request, responder);
}

}  // namespace

void Routes::Embed(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseEmbed(http.body);
  if (!request) return SendError(responder, request.error());
  const auto embedded = server::Embed(*models_, *request, responder);
  if (!embedded) return SendError(responder, embedded.error());
  SendJson(responder, api::WriteEmbed(request->model, *embedded));
}

void Routes::Embeddings(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseEmbeddings(http.body);
  if (!request) return SendError(responder, request.error());
  const auto embedded = server::Embed(*models_, *request, responder);
  if (!embedded) return SendError(responder, embedded.error());
  SendJson(responder, api::WriteEmbeddings(*embedded));
}

void Routes::OpenAiEmbeddings(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseOpenAiEmbeddings(http.body);
  if (!request) return SendOpenAiError(responder, request.error());
  const auto embedded = server::Embed(*models_, *request, responder);
  if (!embedded) return SendOpenAiError(responder, embedded.error());
  SendJson(responder, api::WriteOpenAiEmbeddings(*request, *embedded));
}

}  // namespace axollama::server
