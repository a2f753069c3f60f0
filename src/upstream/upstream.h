// Another Ollama, which serves the models that are not here.
//
// What a client shows of itself (keys, cookies, addresses) stays here; the upstream gets the path
// and the body. A header names every server that a request has been passed on by, so that a chain
// that leads back ends: a request that has been here, or at three others, is not passed on again.
// A server in between may drop that header; how many requests may be under way is limited as well.
// The URL is the administrator's word and may lead anywhere; what the upstream answers is
// untrusted.
//
// Owner: ServeMain; outlives the HTTP server. Threads: any; each call blocks its own.
// Source: facts 2 of the Ollama API.
#pragma once

#include <cstddef>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "net/fetch.h"
#include "net/server.h"
#include "upstream/relay.h"

namespace axollama::upstream {

inline constexpr size_t kMaxUnderWay = 128;

class Upstream {
 public:
  // `url`: ParseUrl's.
  explicit Upstream(std::string url);

  const std::string& url() const { return url_; }
  // Whether this request may be passed on, or asked about: false ends a chain that leads back.
  bool MayAsk(const net::Request& request) const;

  // Answers `request` with the upstream's answer to it at `path` (encoded). `model` is for errors,
  // whose shape `error_body` gives. The client's leaving ends the upstream's work.
  void PassOn(const net::Request& request, std::string_view path, std::string_view model,
              const Relay::ErrorBody& error_body, net::Responder& responder);
  // The list `key` of the answer to GET `path`. An upstream that cannot be asked has an empty one;
  // that is logged when it begins and when it ends.
  json::Array List(const net::Request& request, const std::string& path, std::string_view key,
                   net::Responder& responder);
  // Whether it knows the model.
  bool Has(const net::Request& request, std::string_view model, net::Responder& responder);

  // Ends every call, now and later, with kUnavailable.
  void BeginShutdown();

 private:
  // False when too many are under way. Until Leave, shutdown cancels `fetcher`.
  bool Enter(net::Fetcher* fetcher);
  bool Leave(net::Fetcher* fetcher);  // whether the server is shutting down
  Status Run(const net::Request& request, net::FetchRequest fetch, net::FetchOptions options,
             net::Responder& responder);
  Result<json::Array> Ask(const net::Request& request, const std::string& path,
                          std::string_view key, net::Responder& responder);
  void NoteReachable(const Status& asked);

  const std::string url_;
  const std::string id_;  // of this server in the header
  std::mutex mutex_;
  bool stopping_ = false;
  bool reachable_ = true;
  std::set<net::Fetcher*> under_way_;
};

}  // namespace axollama::upstream
