// /v1/messages and /v1/messages/count_tokens: requests of Anthropic's become turns.
#include <utility>

#include "api/anthropic.h"
#include "api/anthropic_answer.h"
#include "server/compat.h"
#include "server/routes.h"
#include "server/turn_runner.h"

namespace axollama::server {

void Routes::AnthropicMessages(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseAnthropic(http.body);
  if (!request) return SendAnthropicError(responder, request.error());
  const api::Turn& turn = request->turn;
  const auto model = FindServed(*models_, turn.model);
  if (!model) return SendAnthropicError(responder, model.error());
  responder.SetHeader("request-id", NewId("req_"));
  const api::AnthropicHead head{NewId("msg_"), turn.model};
  api::AnthropicStream stream(head);
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
    const Error& error = finish.error();
    SendEvents(responder, stream.Fail(api::AnthropicStatus(error), error.message));
  } else if (!finish) {
    SendAnthropicError(responder, finish.error());
  } else if (request->stream) {
    SendEvents(responder, stream.End(*finish));
  } else {
    SendJson(responder, api::WriteAnthropic(head, whole, *finish));
  }
}

void Routes::AnthropicCount(const net::Request& http, net::Responder& responder) {
  const auto request = api::ParseAnthropicCount(http.body);
  if (!request) return SendAnthropicError(responder, request.error());
  const auto model = FindServed(*models_, request->turn.model);
  if (!model) return SendAnthropicError(responder, model.error());
  const auto tokens = CountTurn(*models_, *model, request->turn, responder);
  if (!tokens) return SendAnthropicError(responder, tokens.error());
  SendJson(responder, api::WriteAnthropicCount(*tokens));
}

}  // namespace axollama::server
