#include "server/compat.h"

#include <fmt/format.h>

#include <cstdint>
#include <random>

#include "api/anthropic_answer.h"
#include "api/errors.h"
#include "api/openai_models.h"
#include "api/sse.h"
#include "base/http_status.h"
#include "server/routes.h"

namespace axollama::server {

std::string NewId(std::string_view prefix) {
  std::random_device random;
  const uint32_t parts[] = {random(), random(), random()};
  return fmt::format("{}{:08x}{:08x}{:08x}", prefix, parts[0], parts[1], parts[2]);
}

bool SendEvents(net::Responder& responder, std::string_view events) {
  if (events.empty()) return true;
  if (!responder.begun()) {
    responder.SetHeader("Cache-Control", "no-cache");
    responder.Begin(200, api::kEventStream);
  }
  return responder.Write(events);
}

void SendOpenAiError(net::Responder& responder, const Error& error) {
  const std::string body = api::WriteOpenAiError(error);
  if (responder.begun()) {
    responder.Write("data: " + body + "\n\n");
    return;
  }
  SetRetryAfter(responder, error);
  responder.Send(HttpStatus(error.kind), kJson, body);
}

void SendAnthropicError(net::Responder& responder, const Error& error) {
  const int status = api::AnthropicStatus(error);
  const std::string id = NewId("req_");
  responder.SetHeader("request-id", id);
  SetRetryAfter(responder, error);
  responder.Send(status, kJson, api::WriteAnthropicError(status, error.message, id));
}

bool IsCompatPath(std::string_view path) { return path == "/v1" || path.starts_with("/v1/"); }

std::string RefusalBody(int status, std::string_view path, std::string_view message) {
  if (!IsCompatPath(path)) return api::WriteError(message);
  if (path.starts_with("/v1/messages")) {
    return api::WriteAnthropicError(status, message, NewId("req_"));
  }
  return api::WriteOpenAiError(status, message);
}

}  // namespace axollama::server
