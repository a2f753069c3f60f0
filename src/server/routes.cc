#include "server/routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "api/errors.h"
#include "base/http_status.h"
#include "base/log.h"
#include "server/compat.h"

namespace axollama::server {
namespace {

// Of a compressed body, and of all of them that are in use.
constexpr size_t kMaxPlainBytes = 8u << 20;
constexpr size_t kMaxPlainTotalBytes = 128u << 20;
// Of what bodies are parsed to; the largest that is allowed takes 128 MiB.
constexpr size_t kMaxParsedBytes = 256u << 20;

bool Allows(std::string_view methods, std::string_view method) {
  while (!methods.empty()) {
    const size_t end = std::min(methods.find(' '), methods.size());
    if (methods.substr(0, end) == method) return true;
    methods.remove_prefix(std::min(end + 1, methods.size()));
  }
  return false;
}

// `pattern` may end in a star, which stands for one character or more.
bool Matches(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with('*')) return pattern == path;
  pattern.remove_suffix(1);
  return path.size() > pattern.size() && path.starts_with(pattern);
}

}  // namespace

const Routes::Route Routes::kRoutes[] = {
    {"GET HEAD", "/", &Routes::Root, Need::kNothing},
    {"GET HEAD", "/api/version", &Routes::Version, Need::kNothing},
    {"GET", "/api/status", &Routes::CloudStatus, Need::kNothing},
    {"GET", "/api/experimental/model-recommendations", &Routes::Recommendations, Need::kNothing},
    {"GET HEAD", "/api/tags", &Routes::Tags, Need::kInference},
    {"GET", "/api/ps", &Routes::Ps, Need::kInference},
    {"POST", "/api/show", &Routes::Show, Need::kInference},
    {"POST", "/api/pull", &Routes::Pull, Need::kManage},
    {"POST", "/api/create", &Routes::Create, Need::kManage},
    {"POST", "/api/copy", &Routes::Copy, Need::kManage},
    {"DELETE", "/api/delete", &Routes::Delete, Need::kManage},
    {"HEAD", "/api/blobs/*", &Routes::HeadBlob, Need::kManage},
    {"POST", "/api/blobs/*", &Routes::PostBlob, Need::kManage},
    {"POST", "/api/push", &Routes::Push, Need::kManage},
    {"POST", "/api/me", &Routes::Account, Need::kNothing},
    {"POST", "/api/signout", &Routes::Account, Need::kNothing},
    {"DELETE", "/api/user/keys/*", &Routes::Account, Need::kNothing},
    {"POST", "/api/generate", &Routes::Generate, Need::kInference},
    {"POST", "/api/chat", &Routes::Chat, Need::kInference},
    {"POST", "/api/embed", &Routes::Embed, Need::kInference},
    {"POST", "/api/embeddings", &Routes::Embeddings, Need::kInference},
    {"GET", "/v1/models", &Routes::OpenAiModels, Need::kInference},
    {"GET", "/v1/models/*", &Routes::OpenAiModel, Need::kInference},
    {"POST", "/v1/chat/completions", &Routes::OpenAiChat, Need::kInference},
    {"POST", "/v1/completions", &Routes::OpenAiCompletion, Need::kInference},
    {"POST", "/v1/embeddings", &Routes::OpenAiEmbeddings, Need::kInference},
    {"POST", "/v1/responses", &Routes::Responses, Need::kInference},
    {"POST", "/v1/messages", &Routes::AnthropicMessages, Need::kInference},
    {"POST", "/v1/messages/count_tokens", &Routes::AnthropicCount, Need::kInference},
    {"POST", "/load", &Routes::PrototypeLoad, Need::kManage},
    {"POST", "/generate", &Routes::PrototypeGenerate, Need::kInference},
    {"POST", "/reset", &Routes::PrototypeReset, Need::kManage},
    {"GET HEAD", "/health", &Routes::Health, Need::kNothing},
    {"POST", "/internal/llama/*", &Routes::LlamaServer, Need::kManage},
};

Routes::Routes(Models* models, pull::Puller* puller, upstream::Upstream* upstream,
               AccessRules access, GuardOptions guard, ClientNames clients)
    : models_(models),
      puller_(puller),
      upstream_(upstream),
      access_(std::move(access)),
      guard_(std::move(guard)),
      clients_(std::move(clients)),
      plain_bodies_(kMaxPlainBytes, kMaxPlainTotalBytes),
      parsed_(kMaxParsedBytes) {}

void Routes::Handle(const net::Request& request, net::Responder& responder) {
  const AccessRules::Verdict access = access_.Check(request);
  for (const auto& [name, value] : access.headers) responder.SetHeader(name, value);
  if (access.refuse != 0) {
    responder.Send(access.refuse, "", "");
    return;
  }
  const std::string key = guard_.KeyName(request);
  responder.set_client(key.empty() ? clients_.Of(request) : "key " + key);
  bool known = false;
  for (const Route& route : kRoutes) {
    if (!Matches(route.path, request.path)) continue;
    known = true;
    if (Allows(route.methods, request.method)) {
      if (const auto refusal = guard_.Refusal(request, route.need)) {
        responder.Send(403, kJson, RefusalBody(403, request.path, *refusal));
        return;
      }
      Run(route, request, responder);
      return;
    }
  }
  const int status = known ? 405 : 404;
  const std::string_view text = known ? "405 method not allowed" : "404 page not found";
  if (IsCompatPath(request.path)) {
    responder.Send(status, kJson, RefusalBody(status, request.path, text));
  } else {
    responder.Send(status, "text/plain", text);
  }
}

void Routes::Run(const Route& route, const net::Request& request, net::Responder& responder) {
  const auto handle = [&](const net::Request& plain) {
    return parsed_.With(plain.body, [&] {
      if (!IsTheirs(plain, responder)) (this->*route.handler)(plain, responder);
    });
  };
  const std::string_view encoding = request.headers.Get("Content-Encoding");
  Status handled;
  if (encoding.empty() || net::SameName(encoding, "identity")) {
    handled = handle(request);
  } else {
    Status used;
    handled = plain_bodies_.With(request, [&](const net::Request& plain) { used = handle(plain); });
    if (handled) handled = std::move(used);
  }
  if (handled) return;
  const int status = HttpStatus(handled.error().kind);
  if (handled.error().kind == ErrorKind::kBusy) responder.SetHeader("Retry-After", "1");
  responder.Send(status, kJson, RefusalBody(status, request.path, handled.error().message));
}

void SetRetryAfter(net::Responder& responder, const Error& error) {
  // Who found the queue full has it from whoever refused; a model that does not fit will not do so
  // in a second.
  if (error.kind == ErrorKind::kUnavailable) responder.SetHeader("Retry-After", "1");
}

void SendError(net::Responder& responder, const Error& error) {
  if (responder.begun()) {
    responder.Write(api::WriteError(error.message) + "\n");
    return;
  }
  // Nobody reads the answer of a request that its client left.
  SetRetryAfter(responder, error);
  responder.Send(HttpStatus(error.kind), kJson, api::WriteError(error.message));
}

void SendJson(net::Responder& responder, std::string_view body) {
  responder.Send(200, kJson, body);
}

bool SendLine(net::Responder& responder, std::string line) {
  if (!responder.begun()) responder.Begin(200, kNdjson);
  line += '\n';
  return responder.Write(line);
}

Result<bundle::ModelRef> FindUnderRoots(Models& models, std::string_view path) {
  namespace fs = std::filesystem;
  if (path.find('/') == std::string_view::npos) {
    if (const auto model = models.store().Find(path)) {
      return bundle::ModelRef{model->name.Short(), model->folder};
    }
  } else if (path.find('\0') == std::string_view::npos) {
    std::error_code error;
    const fs::path folder = fs::canonical(fs::path(path), error);
    if (!error) {
      for (bundle::ModelRef& model : bundle::ListModels(models.roots())) {
        if (model.folder == folder) return std::move(model);
      }
      for (const fs::path& given : models.roots()) {
        const fs::path root = fs::canonical(given, error);
        if (error) continue;
        const std::string inside = folder.lexically_relative(root).string();
        if (!inside.empty() && inside.rfind("..", 0) != 0 && inside != "." &&
            bundle::LooksLikeBundle(folder)) {
          return bundle::ModelRef{inside, folder};
        }
      }
    }
  }
  return Fail(ErrorKind::kNotFound,
              fmt::format("model_path '{}' is no model folder under the model roots", path));
}

}  // namespace axollama::server
