#include "upstream/upstream.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "base/log.h"

namespace axollama::upstream {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kVia = "X-Axollama-Via";  // ids with commas
constexpr size_t kMaxServers = 4;
constexpr uint64_t kMaxAnswerBytes = uint64_t{16} << 30;  // of a stream in all: a limit of its own
constexpr uint64_t kMaxListBytes = 16u << 20;

// A request may wait for a model to be loaded there, and says nothing meanwhile.
net::FetchOptions ForAnswers() {
  net::FetchOptions out;
  out.insecure = true;
  out.allow_private = true;
  out.max_redirects = 0;
  out.connect_timeout = milliseconds(5'000);
  out.stall_timeout = milliseconds(900'000);
  return out;
}

// Clients ask for lists while their user waits: Home Assistant for five seconds.
net::FetchOptions ForLists() {
  net::FetchOptions out = ForAnswers();
  out.connect_timeout = milliseconds(1'500);
  out.stall_timeout = milliseconds(1'500);
  return out;
}

std::string RandomId() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

std::string ViaOf(const net::Request& request, const std::string& id) {
  const std::string_view given = request.headers.Get(kVia);
  return given.empty() ? id : fmt::format("{},{}", given, id);
}

}  // namespace

Upstream::Upstream(std::string url) : url_(std::move(url)), id_(RandomId()) {}

bool Upstream::MayAsk(const net::Request& request) const {
  const std::string_view via = request.headers.Get(kVia);
  const auto others = static_cast<size_t>(std::count(via.begin(), via.end(), ','));
  return via.empty() || (others + 1 < kMaxServers && via.find(id_) == std::string_view::npos);
}

bool Upstream::Enter(net::Fetcher* fetcher) {
  std::lock_guard lock(mutex_);
  if (under_way_.size() >= kMaxUnderWay) return false;
  under_way_.insert(fetcher);
  if (stopping_) fetcher->Cancel();
  return true;
}

bool Upstream::Leave(net::Fetcher* fetcher) {
  std::lock_guard lock(mutex_);
  under_way_.erase(fetcher);
  return stopping_;
}

void Upstream::BeginShutdown() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
  for (net::Fetcher* fetcher : under_way_) fetcher->Cancel();
}

Status Upstream::Run(const net::Request& request, net::FetchRequest fetch,
                     net::FetchOptions options, net::Responder& responder) {
  AX_ASSIGN_OR_RETURN(const std::unique_ptr<net::Fetcher> fetcher,
                      net::Fetcher::Create(std::move(options)));
  if (!Enter(fetcher.get())) {
    return Fail(ErrorKind::kBusy, fmt::format("{} requests are with it already", kMaxUnderWay));
  }
  fetch.headers.Set(std::string(kVia), ViaOf(request, id_));
  responder.OnGone([&] { fetcher->Cancel(); });
  if (responder.gone()) fetcher->Cancel();
  Status done = fetcher->Run(fetch);
  responder.OnGone(nullptr);
  const bool stopping = Leave(fetcher.get());
  if (stopping && !done) return Fail(ErrorKind::kUnavailable, "this server is shutting down");
  return done;
}

void Upstream::PassOn(const net::Request& request, std::string_view path, std::string_view model,
                      const Relay::ErrorBody& error_body, net::Responder& responder) {
  Relay relay(
      responder,
      [&](int status, std::string_view message) {
        return error_body(status, fmt::format("model '{}' is not here, and the upstream Ollama at "
                                              "{} does not serve it: {}",
                                              model, url_, message));
      },
      path.starts_with("/v1/messages") || path.starts_with("/v1/responses"));
  net::FetchRequest fetch;
  fetch.method = request.method;
  fetch.url = url_ + std::string(path);
  fetch.body = request.body;
  if (request.method == "POST") fetch.headers.Set("Content-Type", "application/json");
  fetch.max_body_bytes = kMaxAnswerBytes;
  fetch.on_head = [&](const net::FetchHead& head) { return relay.TakeHead(head); };
  fetch.on_body = [&](std::string_view bytes) { return relay.TakeBody(bytes); };
  relay.End(Run(request, std::move(fetch), ForAnswers(), responder));
}

Result<json::Array> Upstream::Ask(const net::Request& request, const std::string& path,
                                  std::string_view key, net::Responder& responder) {
  net::FetchRequest fetch;
  fetch.url = url_ + path;
  fetch.max_body_bytes = kMaxListBytes;
  int status = 0;
  std::string body;
  fetch.on_head = [&](const net::FetchHead& head) -> Status {
    status = head.status;
    return {};
  };
  fetch.on_body = [&](std::string_view bytes) -> Status {
    body += bytes;
    return {};
  };
  AX_RETURN_IF_ERROR(Run(request, std::move(fetch), ForLists(), responder));
  if (status != 200) {
    return Fail(ErrorKind::kInternal, fmt::format("{} answers with status {}", path, status));
  }
  AX_ASSIGN_OR_RETURN(json::Object object, json::ParseObject(body, path));
  const json::Value* list = json::Find(object, key);
  // Go writes a list without entries as null.
  if (list == nullptr) return json::Array();
  if (!list->is_array()) {
    return Fail(ErrorKind::kInternal, fmt::format("{}: \"{}\" is no list", path, key));
  }
  return list->as_array();
}

json::Array Upstream::List(const net::Request& request, const std::string& path,
                           std::string_view key, net::Responder& responder) {
  auto list = Ask(request, path, key, responder);
  if (list) {
    NoteReachable({});
    return std::move(*list);
  }
  if (list.error().kind != ErrorKind::kCancelled) NoteReachable(Fail(list.error()));
  return {};
}

void Upstream::NoteReachable(const Status& asked) {
  std::lock_guard lock(mutex_);
  if (reachable_ == asked.has_value()) return;
  reachable_ = asked.has_value();
  if (reachable_) {
    log::Info("upstream", "{} answers again", url_);
  } else {
    log::Warn("upstream", "the models of {} are not listed: {}", url_, asked.error().message);
  }
}

bool Upstream::Has(const net::Request& request, std::string_view model, net::Responder& responder) {
  net::FetchRequest fetch;
  fetch.method = "POST";
  fetch.url = url_ + "/api/show";
  fetch.body = json::Write(json::Object{{"model", model}});
  fetch.max_body_bytes = kMaxListBytes;
  int status = 0;
  fetch.on_head = [&](const net::FetchHead& head) -> Status {
    status = head.status;
    return {};
  };
  return Run(request, std::move(fetch), ForLists(), responder) && status == 200;
}

}  // namespace axollama::upstream
