// The Python prototype's routes: /load, /generate, /reset, /health.
#include "api/errors.h"
#include "api/prototype.h"
#include "base/json.h"
#include "base/log.h"
#include "server/routes.h"
#include "server/turn_runner.h"

namespace axollama::server {
namespace {

Error NoModel() { return {ErrorKind::kConflict, "no model loaded"}; }

}  // namespace

void Routes::PrototypeLoad(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParsePrototypeLoad(http.body);
  if (!request) return SendError(responder, request.error());
  std::string backend;
  std::string name;
  if (!request->model_path.empty()) {
    const auto model = FindUnderRoots(*models_, request->model_path);
    if (!model) return SendError(responder, model.error());
    const auto served = ServedFrom(*models_, *model);
    if (!served) return SendError(responder, served.error());
    const Status loaded = LoadModel(*models_, *served, KeepAlive::kForever, responder);
    if (!loaded) return SendError(responder, loaded.error());
    models_->Choose(*model);
  }
  const auto current = models_->Current();
  if (!current) return SendError(responder, NoModel());
  for (const Models::Loaded& loaded : models_->List()) {
    if (loaded.model.folder != current->folder) continue;
    name = loaded.model.name;
    backend = loaded.props.backend;
  }
  if (name.empty()) return SendError(responder, NoModel());
  SendJson(responder, api::WritePrototypeLoad(name, backend));
}

void Routes::PrototypeGenerate(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParsePrototypeGenerate(http.body);
  if (!request) return SendError(responder, request.error());
  const auto current = models_->Current();
  if (!current) return SendError(responder, NoModel());
  const auto model = ServedFrom(*models_, *current);
  if (!model) return SendError(responder, model.error());

  api::Turn turn;
  turn.model = current->name;
  turn.options.num_predict = request->max_tokens;
  turn.options.temperature = request->temperature;
  turn.options.top_p = request->top_p;
  turn.options.top_k = request->top_k;
  api::PlainPrompt& plain = turn.plain.emplace();
  plain.prompt = request->prompt;
  plain.raw = true;
  turn.truncate = turn.shift = false;
  std::string whole;
  const Delivery delivery = request->stream ? Delivery::kStream : Delivery::kWhole;
  const auto done = RunTurn(*models_, *model, turn, delivery, responder, [&](const api::Piece& p) {
    if (request->stream) return SendLine(responder, api::WritePrototypeChunk(p.content));
    whole = p.content;
    return true;
  });
  if (!done) return SendError(responder, done.error());
  if (request->stream) {
    SendLine(responder, api::WritePrototypeDone(done->done_reason));
  } else {
    SendJson(responder, api::WritePrototypeText(whole));
  }
}

void Routes::PrototypeReset(const net::Request&, net::Responder& responder) {
  if (const Status done = models_->Reset(); !done) return SendError(responder, done.error());
  SendJson(responder, api::WritePrototypeReset());
}

void Routes::Health(const net::Request& request, net::Responder& responder) {
  const Models::Health health = models_->GetHealth();
  api::PrototypeHealth out;
  out.status = health.status;
  out.backend_type = health.backend;
  if (health.card) {
    out.temperature_c = health.card->temperature_c;
    out.memory_usage_bytes = health.card->cmm_used_bytes();
    out.memory_total_bytes = health.card->cmm_total_bytes;
    out.npu_utilization_pct = health.card->npu_percent;
  }
  if (health.current) {
    out.model_loaded = true;
    // Where files are is nobody's business who may not manage them.
    if (!guard_.Refusal(request, Need::kManage)) {
      out.model_path = health.current->model.folder.string();
    }
  }
  std::string body = api::WritePrototypeHealth(out);
  if (!health.reason.empty()) {
    // For people; the prototype's clients do not look for it.
    if (auto object = json::ParseObject(body, "health")) {
      (*object)["error"] = health.reason;
      body = json::Write(*object);
    }
  }
  responder.Send(health.status == "failed" ? 503 : 200, kJson, body);
}

}  // namespace axollama::server
