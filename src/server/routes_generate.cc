// /api/generate and /api/chat: requests of Ollama become turns.
#include <utility>

#include "api/chat.h"
#include "api/generate.h"
#include "base/clock.h"
#include "server/routes.h"
#include "server/turn_runner.h"

namespace axollama::server {
namespace {

// How each of the two routes writes its answers.
struct Writers {
  std::string (*piece)(std::string_view model, int64_t created_ns, const api::Piece& piece);
  std::string (*last)(const api::Turn& turn, const api::Piece& whole, const api::Finish& finish);
  std::string (*loaded)(std::string_view model, int64_t created_ns, std::string_view reason);
  std::string (*rendered)(std::string_view model, int64_t created_ns, std::string_view prompt);
};

std::string LastOfGenerate(const api::Turn& turn, const api::Piece& whole,
                           const api::Finish& finish) {
  std::vector<int32_t> context;
  if (!turn.plain->raw) {
    context = finish.prompt_tokens;
    context.insert(context.end(), finish.tokens.begin(), finish.tokens.end());
  }
  return api::WriteGenerateFinal(turn.model, WallNs(), whole, finish, context);
}

std::string LastOfChat(const api::Turn& turn, const api::Piece& whole, const api::Finish& finish) {
  return api::WriteChatFinal(turn.model, WallNs(), whole, finish);
}

constexpr Writers kGenerate = {api::WriteGeneratePiece, LastOfGenerate, api::WriteGenerateLoaded,
                               api::WriteGenerateRendered};
constexpr Writers kChat = {api::WriteChatPiece, LastOfChat, api::WriteChatLoaded,
                           api::WriteChatRendered};

void Answer(Models& models, const ServedModel& model, const api::NativeRequest& request,
            const Writers& write, net::Responder& responder) {
  const api::Turn& turn = request.turn;
  api::Piece whole;
  const PieceSink send = [&](const api::Piece& piece) {
    return SendLine(responder, write.piece(turn.model, WallNs(), piece));
  };
  const PieceSink keep = [&](const api::Piece& piece) {
    whole = piece;
    return true;
  };
  const auto finish = request.stream
                          ? RunTurn(models, model, turn, Delivery::kStream, responder, send)
                          : RunTurn(models, model, turn, Delivery::kWhole, responder, keep);
  if (!finish) return SendError(responder, finish.error());
  const std::string last = write.last(turn, whole, *finish);
  if (request.stream) {
    SendLine(responder, last);
  } else {
    SendJson(responder, last);
  }
}

void Serve(Models& models, const Result<api::NativeRequest>& request, const Writers& write,
           net::Responder& responder) {
  if (!request) return SendError(responder, request.error());
  const api::Turn& turn = request->turn;
  const auto model = FindServed(models, turn.model);
  if (!model) return SendError(responder, model.error());
  const auto send = [&](std::string_view reason) {
    SendJson(responder, write.loaded(turn.model, WallNs(), reason));
  };
  if (request->unload()) {
    if (const Status done = models.Unload(model->ref); !done) {
      return SendError(responder, done.error());
    }
    return send("unload");
  }
  if (request->refused) return SendError(responder, *request->refused);
  if (request->idle()) {
    Status done = CheckTurn(*model, turn);
    if (done) done = LoadModel(models, *model, turn.keep_alive_ns, responder);
    if (!done) return SendError(responder, done.error());
    return send("load");
  }
  if (request->render_only) {
    const auto prompt = RenderTurn(models, *model, turn, responder);
    if (!prompt) return SendError(responder, prompt.error());
    return SendJson(responder, write.rendered(turn.model, WallNs(), prompt->text));
  }
  Answer(models, *model, *request, write, responder);
}

}  // namespace

void Routes::Generate(const net::Request& http, net::Responder& responder) {
  Serve(*models_, api::ParseGenerate(http.body), kGenerate, responder);
}

void Routes::Chat(const net::Request& http, net::Responder& responder) {
  Serve(*models_, api::ParseChat(http.body), kChat, responder);
}

}  // namespace axollama::server
