// The routes of `axollama serve`: Ollama's and the prototype's, on every listener.
//
// Owner: ServeMain; outlives the HTTP server. Threads: Handle runs on many at once.
#pragma once

#include <string>

#include "base/result.h"
#include "bundle/bundle.h"
#include "bundle/roots.h"
#include "net/content_encoding.h"
#include "net/server.h"
#include "server/access.h"
#include "server/client_names.h"
#include "server/guard.h"
#include "server/models.h"
#include "server/parse_budget.h"
#include "server/tag_cache.h"

namespace axollama::pull {
class Puller;
}
namespace axollama::upstream {
class Upstream;
}

namespace axollama::server {

class Routes {
 public:
  // `upstream`: nullptr when there is none.
  Routes(Models* models, pull::Puller* puller, upstream::Upstream* upstream, AccessRules access,
         GuardOptions guard, ClientNames clients);
  void Handle(const net::Request& request, net::Responder& responder);
  // Whose bodies may be larger than memory: uploads of blobs.
  static bool StreamsBody(std::string_view method, std::string_view path);

 private:
  using Method = void (Routes::*)(const net::Request&, net::Responder&);
  struct Route {
    const char* methods;  // "GET HEAD"
    const char* path;     // "/v1/models/*": that and one character or more
    Method handler;
    Need need = Need::kManage;  // of one that nobody has thought about
  };
  static const Route kRoutes[];
  void Run(const Route& route, const net::Request& request, net::Responder& responder);

  // routes_upstream.cc
  // Whether the request was about a model of the upstream's, and so is answered.
  bool IsTheirs(const net::Request& request, net::Responder& responder);
  // `answer`, whose list `key` is of ours, with the upstream's models behind them.
  std::string WithTheirs(const net::Request& request, net::Responder& responder,
                         std::string_view key, std::string answer);
  // routes_llama.cc
  void LlamaServer(const net::Request& request, net::Responder& responder);
  // routes_models.cc
  void Root(const net::Request& request, net::Responder& responder);
  void Version(const net::Request& request, net::Responder& responder);
  void Tags(const net::Request& request, net::Responder& responder);
  void Ps(const net::Request& request, net::Responder& responder);
  void Show(const net::Request& request, net::Responder& responder);
  // routes_pull.cc
  void Pull(const net::Request& request, net::Responder& responder);
  void CloudStatus(const net::Request& request, net::Responder& responder);
  void Recommendations(const net::Request& request, net::Responder& responder);
  // routes_store.cc
  void Create(const net::Request& request, net::Responder& responder);
  void Copy(const net::Request& request, net::Responder& responder);
  void Delete(const net::Request& request, net::Responder& responder);
  void HeadBlob(const net::Request& request, net::Responder& responder);
  void PostBlob(const net::Request& request, net::Responder& responder);
  void Push(const net::Request& request, net::Responder& responder);
  void Account(const net::Request& request, net::Responder& responder);
  // routes_generate.cc
  void Generate(const net::Request& request, net::Responder& responder);
  void Chat(const net::Request& request, net::Responder& responder);
  // routes_embed.cc
  void Embed(const net::Request& request, net::Responder& responder);
  void Embeddings(const net::Request& request, net::Responder& responder);
  void OpenAiEmbeddings(const net::Request& request, net::Responder& responder);
  // routes_openai.cc
  void OpenAiModels(const net::Request& request, net::Responder& responder);
  void OpenAiModel(const net::Request& request, net::Responder& responder);
  void OpenAiChat(const net::Request& request, net::Responder& responder);
  void OpenAiCompletion(const net::Request& request, net::Responder& responder);
  // routes_responses.cc
  void Responses(const net::Request& request, net::Responder& responder);
  // routes_anthropic.cc
  void AnthropicMessages(const net::Request& request, net::Responder& responder);
  void AnthropicCount(const net::Request& request, net::Responder& responder);
  // routes_prototype.cc
  void PrototypeLoad(const net::Request& request, net::Responder& responder);
  void PrototypeGenerate(const net::Request& request, net::Responder& responder);
  void PrototypeReset(const net::Request& request, net::Responder& responder);
  void Health(const net::Request& request, net::Responder& responder);

  Models* const models_;
  pull::Puller* const puller_;
  upstream::Upstream* const upstream_;
  const AccessRules access_;
  const Guard guard_;
  const ClientNames clients_;
  net::PlainBodies plain_bodies_;
  ParseBudget parsed_;
  TagCache tags_;
};

inline constexpr std::string_view kJson = "application/json; charset=utf-8";
inline constexpr std::string_view kNdjson = "application/x-ndjson";

// {"error":...} with the error's status; one line more if the answer has begun.
void SendError(net::Responder& responder, const Error& error);
// Of an error that may pass: when to ask again.
void SetRetryAfter(net::Responder& responder, const Error& error);
void SendJson(net::Responder& responder, std::string_view body);
// One line of a stream, which begins with the first.
bool SendLine(net::Responder& responder, std::string line);

// The folder that /load may load: a bundle in one of the roots, by path or by name. Whatever else
// it is, the answer is the same, so that it tells nothing about other folders.
Result<bundle::ModelRef> FindUnderRoots(Models& models, std::string_view path);

}  // namespace axollama::server
