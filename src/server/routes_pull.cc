// POST /api/pull.
#include "pull/pull.h"

#include "api/pull.h"
#include "server/routes.h"

namespace axollama::server {

void Routes::Pull(const net::Request& request, net::Responder& responder) {
  const auto parsed = api::ParsePull(request.body);
  if (!parsed) return SendError(responder, parsed.error());
  std::string last;
  const auto sink = [&](const pull::PullProgress& progress) {
    last = api::WriteProgress(progress.status, progress.digest, progress.total, progress.completed);
    return !parsed->stream || SendLine(responder, last);
  };
  const Status pulled =
      puller_->Pull(parsed->model, parsed->insecure, sink, [&] { return responder.gone(); });
  if (!pulled) return SendError(responder, pulled.error());
  if (!parsed->stream) SendJson(responder, last);
}

}  // namespace axollama::server
