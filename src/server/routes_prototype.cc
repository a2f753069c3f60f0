// The Python prototype's routes: /load, /generate, /reset, /health.
#include "api/errors.h"
#include "api/prototype.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "server/completion.h"
#include "server/routes.h"

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
    const auto loaded = LoadOnly(*models_, *model, KeepAlive::kForever, responder);
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
  const int64_t start_ns = MonotonicNs();
  const auto request = api::ParsePrototypeGenerate(http.body);
  if (!request) return SendError(responder, request.error());
  const auto model = models_->Current();
  if (!model) return SendError(responder, NoModel());

  AnswerRequest answer;
  answer.model = *model;
  answer.start_ns = start_ns;
  answer.options.num_predict = request->max_tokens;
  answer.options.temperature = request->temperature;
  answer.options.top_p = request->top_p;
  answer.options.top_k = request->top_k;
  answer.prompt = [&](const Models::Grant& grant) {
    return Tokenize(grant, request->prompt, true);
  };
  if (request->stream) {
    answer.on_text = [&](std::string_view text) {
      return SendLine(responder, api::WritePrototypeChunk(text));
    };
  }
  const auto done = Run(*models_, answer, responder);
  if (!done) return SendError(responder, done.error());
  if (request->stream) {
    SendLine(responder, api::WritePrototypeDone(done->done_reason));
  } else {
    SendJson(responder, api::WritePrototypeText(done->text));
  }
}

void Routes::PrototypeReset(const net::Request&, net::Responder& responder) {
  if (const Status done = models_->Reset(); !done) return SendError(responder, done.error());
  SendJson(responder, api::WritePrototypeReset());
}

void Routes::Health(const net::Request&, net::Responder& responder) {
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
    out.model_path = health.current->model.folder.string();
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
