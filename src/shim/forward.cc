#include "shim/forward.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/json.h"

namespace axollama::shim {
namespace {

constexpr std::string_view kJson = "application/json; charset=utf-8";
constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kConversation = "/v1/chat/completions";
constexpr std::string_view kPassed[] = {"/completion", kConversation, "/apply-template",
                                        "/tokenize",   "/detokenize", "/v1/embeddings"};
constexpr std::string_view kData = "data: ";
// How `axollama serve` begins an error within a stream.
constexpr std::string_view kErrorEvent = "data: {\"error\"";

}  // namespace

Forward::Forward(net::Target serve, net::Headers headers, Die die)
    : serve_(std::move(serve)), headers_(std::move(headers)), die_(std::move(die)) {}

Result<std::unique_ptr<net::ClientCall>> Forward::Start(std::string_view path,
                                                        std::string body) const {
  net::ClientRequest http;
  http.method = "POST";
  http.path = fmt::format("/internal/llama{}", path);
  http.headers = headers_;
  http.headers.Set("Content-Type", "application/json");
  http.body = std::move(body);
  return net::ClientCall::Start(serve_, std::move(http));
}

void Forward::Handle(const net::Request& request, net::Responder& responder) {
  if (request.path == "/health") {
    if (ready_) return responder.Send(200, kJson, R"({"status":"ok"})");
    return responder.Send(503, kJson, R"({"error":{"code":503,"message":"Loading model"}})");
  }
  if (std::find(std::begin(kPassed), std::end(kPassed), request.path) == std::end(kPassed)) {
    return responder.Send(404, kText, "404 page not found");
  }
  if (request.method != "POST") return responder.Send(405, kText, "405 method not allowed");
  PassOn(request, responder);
}

void Forward::PassOn(const net::Request& request, net::Responder& responder) {
  auto call = Start(request.path, request.body);
  if (!call) return responder.Send(502, kText, call.error().message);
  net::ClientCall& open = **call;
  responder.OnGone([&open] { open.Cancel(); });
  if (responder.gone()) open.Cancel();
  const Status done = Relay(open, request.path == kConversation, responder);
  responder.OnGone(nullptr);
  if (done || done.error().kind == ErrorKind::kCancelled) return;
  if (responder.begun()) return die_(done.error().message);
  responder.Send(502, kText, done.error().message);
}

Status Forward::Relay(net::ClientCall& call, bool errors_are_told, net::Responder& responder) {
  AX_RETURN_IF_ERROR(call.ReadHeader());
  const std::string type(call.headers().Get("Content-Type"));
  if (!type.starts_with("text/event-stream")) {
    AX_ASSIGN_OR_RETURN(const std::string body, call.ReadAll());
    responder.Send(call.status(), type, body);
    return {};
  }
  responder.Begin(call.status(), type);
  std::string event;
  for (std::string line;;) {
    AX_ASSIGN_OR_RETURN(const bool more, call.ReadLine(&line));
    if (!more) return {};
    if (!errors_are_told && line.starts_with(kErrorEvent)) {
      AX_ASSIGN_OR_RETURN(const json::Object object,
                          json::ParseObject(line.substr(kData.size()), "an event"));
      AX_ASSIGN_OR_RETURN(std::string why, json::GetString(object, "error", ""));
      return Fail(ErrorKind::kInternal, std::move(why));
    }
    event += line + "\n";
    if (!line.empty()) continue;
    if (!responder.Write(event)) return Fail(ErrorKind::kCancelled, "the client has gone");
    event.clear();
  }
}

}  // namespace axollama::shim
