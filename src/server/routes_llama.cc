// /internal/llama/*: what axollama-llama-server forwards of a stock Ollama's questions. They come
// as llama-server gets them; headers say the model and what llama-server's command line says of it.
// For programs of this computer alone. Errors are plain text: Ollama shows its clients the body.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "api/llama_server.h"
#include "api/runner.h"
#include "base/http_status.h"
#include "net/network.h"
#include "server/compat.h"
#include "server/completion.h"
#include "server/routes.h"
#include "server/turn_runner.h"

namespace axollama::server {
namespace {

constexpr std::string_view kPrefix = "/internal/llama/";
constexpr std::string_view kModel = "X-Axollama-Model";
constexpr std::string_view kContext = "X-Axollama-Context";  // tokens
constexpr std::string_view kShift = "X-Axollama-Shift";      // 1: yes
constexpr std::chrono::milliseconds kAskLimit{30'000};
constexpr std::chrono::milliseconds kSign{1'000};  // that a load is still held

bool IsOfThisComputer(const net::Request& request) {
  const auto peer = net::ParseIp(request.peer);
  return request.peer == "unix" || (peer && peer->is_loopback());
}

void SendText(net::Responder& responder, const Error& error) {
  SetRetryAfter(responder, error);
  responder.Send(HttpStatus(error.kind), "text/plain; charset=utf-8", error.message);
}

// An error within a stream: Ollama knows no other shape.
void SendErrorEvent(net::Responder& responder, const Error& error) {
  if (!responder.begun()) return SendText(responder, error);
  SendEvents(responder, "data: {\"error\":" + json::Write(json::Value(error.message)) + "}\n\n");
}

class Passing final : public Answering {
 public:
  Passing(api::CompletionRequest request, net::Responder& responder)
      : request_(std::move(request)), responder_(responder) {}

  Result<api::CompletionRequest> Prepare(const Models::Grant&, CallSlot&) override {
    return request_;
  }
  Taken Take(const api::CompletionEvent& event) override {
    return SendEvents(responder_, api::WriteLlamaEvent(event)) ? Taken::kSent : Taken::kGone;
  }

 private:
  const api::CompletionRequest request_;
  net::Responder& responder_;
};

struct LlamaCall {
  ServedModel model;
  int64_t context_tokens = 0;  // 0: the model's
  bool shift = false;
};

Result<LlamaCall> ReadCall(Models& models, const net::Request& request) {
  LlamaCall call;
  AX_ASSIGN_OR_RETURN(call.model, FindServed(models, request.headers.Get(kModel)));
  const std::string_view context = request.headers.Get(kContext);
  std::from_chars(context.data(), context.data() + context.size(), call.context_tokens);
  call.shift = request.headers.Get(kShift) == "1";
  return call;
}

// The runner speaks this protocol itself, so what needs no turn on the card is asked as it is.
void AskAsIs(Models& models, const LlamaCall& call, const std::string& path,
             const std::string& body, net::Responder& responder) {
  std::string answer;
  const auto ask = [&](const Models::Grant& grant, CallSlot& slot) -> Status {
    const auto most = static_cast<uint64_t>(grant.props().context_tokens) * kMaxTokenBytes;
    if (body.size() > most) {
      return Fail(ErrorKind::kTooLong,
                  fmt::format("{} bytes are more than the context of {} tokens can hold",
                              body.size(), grant.props().context_tokens));
    }
    AX_ASSIGN_OR_RETURN(answer, AskRunner(grant.target(), "POST", path, body, kAskLimit, &slot));
    return {};
  };
  const Status asked = WithLoaded(models, call.model.ref, std::nullopt, responder, ask);
  if (!asked) return SendText(responder, asked.error());
  SendJson(responder, answer);
}

// A sequence on the card; the runner refuses what its model cannot.
void GiveVectors(Models& models, const LlamaCall& call, const std::string& body,
                 net::Responder& responder) {
  std::string answer;
  const auto ask = [&](const Models::Grant& grant, CallSlot& slot) -> Status {
    // Without a limit: how long a model may take is judged by its progress on the card.
    AX_ASSIGN_OR_RETURN(answer, AskRunner(grant.target(), "POST", "/v1/embeddings", body,
                                          std::chrono::milliseconds(0), &slot));
    return {};
  };
  const auto asked = WithSequence(models, call.model.ref, std::nullopt, responder, ask);
  if (!asked) return SendText(responder, asked.error());
  SendJson(responder, answer);
}

void Complete(Models& models, const LlamaCall& call, const std::string& body,
              net::Responder& responder) {
  auto request = api::ParseLlamaCompletion(body);
  if (!request) return SendText(responder, request.error());
  request->context_tokens = call.context_tokens;
  request->shift = call.shift;
  Passing passing(std::move(*request), responder);
  const auto done = RunCompletion(models, call.model.ref, std::nullopt, responder, passing);
  if (!done) SendErrorEvent(responder, done.error());
}

Result<api::Turn> ReadTurn(const LlamaCall& call, const std::string& body) {
  AX_ASSIGN_OR_RETURN(api::Turn turn, api::ParseLlamaChat(body, call.model.ref.name));
  turn.shift = call.shift;
  if (call.context_tokens > 0) turn.options.num_ctx = call.context_tokens;
  return turn;
}

void Converse(Models& models, const LlamaCall& call, const std::string& body,
              net::Responder& responder) {
  const auto turn = ReadTurn(call, body);
  if (!turn) return SendText(responder, turn.error());
  const auto finish = RunTurn(
      models, call.model, *turn, Delivery::kStream, responder,
      [&](const api::Piece& piece) { return SendEvents(responder, api::WriteLlamaChunk(piece)); });
  if (!finish) return SendErrorEvent(responder, finish.error());
  SendEvents(responder, api::WriteLlamaLastChunk(*finish));
}

void Render(Models& models, const LlamaCall& call, const std::string& body,
            net::Responder& responder) {
  const auto turn = ReadTurn(call, body);
  if (!turn) return SendText(responder, turn.error());
  const auto prompt = RenderTurn(models, call.model, *turn, responder);
  if (!prompt) return SendText(responder, prompt.error());
  SendJson(responder, json::Write(json::Object{{"prompt", prompt->text}}));
}

// Loads the model, says what it takes, and holds it until the one who asked has gone: Ollama ends
// its runners with SIGKILL, and then the card is to be free.
void Hold(Models& models, const LlamaCall& call, net::Responder& responder) {
  std::string first;
  const auto describe = [&](const Models::Grant& grant, CallSlot&) -> Status {
    first = json::Write(json::Object{{"cmm_bytes", grant.props().cmm_bytes},
                                     {"layers", grant.props().layers},
                                     {"context_tokens", grant.props().context_tokens}});
    return {};
  };
  models.AddHolder(call.model.ref);
  const Status loaded =
      WithLoaded(models, call.model.ref, KeepAlive::kForever, responder, describe);
  if (!loaded) {
    models.RemoveHolder(call.model.ref);
    return SendText(responder, loaded.error());
  }
  // A process that died is seen by its connection, and that by writing.
  for (std::string line = first; SendLine(responder, line); line.clear()) {
    std::this_thread::sleep_for(kSign);
  }
  models.RemoveHolder(call.model.ref);
}

}  // namespace

void Routes::LlamaServer(const net::Request& request, net::Responder& responder) {
  if (!IsOfThisComputer(request)) {
    return responder.Send(403, "text/plain", "this is for programs of the same computer");
  }
  const auto call = ReadCall(*models_, request);
  if (!call) return SendText(responder, call.error());
  const std::string path = request.path.substr(kPrefix.size() - 1);  // from its last '/'
  if (path == "/load") return Hold(*models_, *call, responder);
  if (path == "/completion") return Complete(*models_, *call, request.body, responder);
  if (path == "/v1/chat/completions") return Converse(*models_, *call, request.body, responder);
  if (path == "/v1/embeddings") return GiveVectors(*models_, *call, request.body, responder);
  if (path == "/apply-template") return Render(*models_, *call, request.body, responder);
  if (path == "/tokenize" || path == "/detokenize") {
    return AskAsIs(*models_, *call, path, request.body, responder);
  }
  responder.Send(404, "text/plain", "404 page not found");
}

}  // namespace axollama::server
