// /v1/responses: requests of OpenAI's newer API become turns.
#include <utility>

#include "api/responses.h"
#include "api/responses_answer.h"
#include "base/clock.h"
#include "base/json.h"
#include "server/compat.h"
#include "server/routes.h"
#include "server/turn_runner.h"

namespace axollama::server {
namespace {

int64_t NowSeconds() { return WallNs() / 1'000'000'000; }

}  // namespace

void Routes::Responses(const net::Request& http, net::Responder& responder) {
  auto request = api::ParseResponses(http.body);
  if (!request) return SendOpenAiError(responder, request.error());
  const api::Turn& turn = request->turn;
  const auto model = FindServed(*models_, turn.model);
  if (!model) return SendOpenAiError(responder, model.error());
  api::ResponsesStream stream({NewId(""), NowSeconds(), turn.model, std::move(request->echo)});
  api::Piece whole;
  const PieceSink send = [&](const api::Piece& piece) {
    return SendEvents(responder, stream.Take(piece));
  };
  const PieceSink keep = [&](const api::Piece& piece) {
    whole = piece;
    return true;
  };
  const auto finish = request->stream
                          ? RunTurn(*models_, *model, turn, Delivery::kStream, responder, send)
                          : RunTurn(*models_, *model, turn, Delivery::kWhole, responder, keep);
  if (!finish && responder.begun()) {
    SendEvents(responder, stream.Fail(finish.error().message));
  } else if (!finish) {
    SendOpenAiError(responder, finish.error());
  } else if (request->stream) {
    SendEvents(responder, stream.End(*finish, NowSeconds()));
  } else {
    SendJson(responder, json::Write(stream.Whole(std::move(whole), *finish, NowSeconds())));
  }
}

}  // namespace axollama::server
