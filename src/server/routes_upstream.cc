// Models that are not here: requests about them go to the upstream Ollama, if there is one.
#include <fmt/format.h>

#include <cctype>
#include <iterator>
#include <utility>

#include "base/json.h"
#include "server/compat.h"
#include "server/routes.h"
#include "upstream/upstream.h"

namespace axollama::server {
namespace {

constexpr std::string_view kOneModel = "/v1/models/";

// What names a model in its body, and whether it may be the upstream's. Changing a model stays with
// the server that has it.
struct NamingRoute {
  std::string_view path;
  std::string_view key;
  bool passed = true;
};
constexpr NamingRoute kNamingRoutes[] = {
    {"/api/generate", "model"},
    {"/api/chat", "model"},
    {"/api/embed", "model"},
    {"/api/embeddings", "model"},
    {"/api/show", "model"},
    {"/v1/chat/completions", "model"},
    {"/v1/completions", "model"},
    {"/v1/embeddings", "model"},
    {"/v1/responses", "model"},
    {"/v1/messages", "model"},
    {"/v1/messages/count_tokens", "model"},
    {"/api/copy", "source", false},
    {"/api/create", "from", false},
    {"/api/delete", "model", false},
    {"/api/push", "model", false},
};

// "" where none can be read: then the request is ours to refuse.
std::string NameIn(const std::string& body, std::string_view key) {
  const auto object = json::ParseObject(body, "body");
  if (!object) return "";
  const std::string name = json::GetString(*object, key, "").value_or("");
  // Older clients of the routes that take a model alone.
  return name.empty() && key == "model" ? json::GetString(*object, "name", "").value_or("") : name;
}

// A part of a path: what is neither a letter, a digit nor one of "-._~/:@" is encoded.
std::string Encoded(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = std::isalnum(c) || std::string_view("-._~/:@").find(static_cast<char>(c)) !=
                                              std::string_view::npos;
    if (plain) {
      out += static_cast<char>(c);
    } else {
      fmt::format_to(std::back_inserter(out), "%{:02X}", c);
    }
  }
  return out;
}

bool IsHere(store::Store& store, std::string_view name) {
  const auto found = store.Find(name);
  // What ollama.com has, the upstream may have.
  return found || (found.error().kind != ErrorKind::kNotFound &&
                   found.error().kind != ErrorKind::kForbidden);
}

}  // namespace

bool Routes::IsTheirs(const net::Request& request, net::Responder& responder) {
  if (upstream_ == nullptr || !upstream_->MayAsk(request)) return false;
  const auto pass_on = [&](const std::string& path, const std::string& name) {
    if (name.empty() || IsHere(models_->store(), name)) return false;
    const auto body = [&](int status, std::string_view message) {
      return RefusalBody(status, request.path, message);
    };
    upstream_->PassOn(request, path, name, body, responder);
    return true;
  };
  if (request.path.starts_with(kOneModel)) {
    return pass_on(Encoded(request.path), request.path.substr(kOneModel.size()));
  }
  for (const NamingRoute& route : kNamingRoutes) {
    if (route.path != request.path) continue;
    const std::string name = NameIn(request.body, route.key);
    if (route.passed) return pass_on(request.path, name);
    if (name.empty() || IsHere(models_->store(), name)) return false;
    if (!upstream_->Has(request, name, responder)) return false;
    SendError(responder, {ErrorKind::kInvalid,
                          fmt::format("model '{}' is at the upstream Ollama, {}: change it there",
                                      name, upstream_->url())});
    return true;
  }
  return false;
}

std::string Routes::WithTheirs(const net::Request& request, net::Responder& responder,
                               std::string_view key, std::string answer) {
  if (upstream_ == nullptr || !upstream_->MayAsk(request)) return answer;
  json::Array theirs = upstream_->List(request, request.path, key, responder);
  auto ours = json::ParseObject(answer, "answer");
  if (theirs.empty() || !ours) return answer;
  const std::string_view name_key = key == "data" ? "id" : "name";
  json::Array& list = ours->at(key).as_array();
  for (json::Value& model : theirs) {
    if (!model.is_object()) continue;
    const auto name = json::GetString(model.as_object(), name_key, "");
    // A name means our model if there is one, so theirs of that name is not served.
    if (name && !name->empty() && !IsHere(models_->store(), *name)) {
      list.push_back(std::move(model));
    }
  }
  return json::Write(*ours);
}

}  // namespace axollama::server
