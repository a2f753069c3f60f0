#include "net/fetch.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/env.h"
#include "net/address.h"
#include "net/fetch_hop.h"
#include "net/fetch_url.h"
#include "net/proxy.h"

namespace axollama::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct EasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct MultiCleanup {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct ListFree {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, ListFree>;

Status AddHeader(HeaderList* list, const std::string& line) {
  if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
    return Fail(ErrorKind::kInvalid, "a header may not hold a line's end");
  }
  curl_slist* longer = curl_slist_append(list->get(), line.c_str());
  if (longer == nullptr) return Fail(ErrorKind::kInternal, "no memory for a header");
  (void)list->release();
  list->reset(longer);
  return {};
}

class CurlFetcher final : public Fetcher {
 public:
  explicit CurlFetcher(FetchOptions options)
      : options_(std::move(options)),
        proxies_(ProxyFromEnvironment()),
        ca_file_(GetEnv("CURL_CA_BUNDLE").value_or(GetEnv("SSL_CERT_FILE").value_or(""))),
        multi_(curl_multi_init()),
        easy_(curl_easy_init()) {}

  bool ok() const { return multi_ != nullptr && easy_ != nullptr; }

  Status Run(const FetchRequest& request) override {
    AX_ASSIGN_OR_RETURN(FetchUrl url, ParseFetchUrl(request.url));
    const std::string origin = url.Origin();
    bool private_allowed = options_.allow_private;
    for (int redirects = 0;; ++redirects) {
      AX_RETURN_IF_ERROR(Check(url, private_allowed));
      FetchHop hop(request, url);
      hop.proxy = ProxyFor(proxies_, url.https, url.host, url.port);
      hop.private_allowed = private_allowed;
      hop.follow = request.method == "GET" || request.method == "HEAD";
      const bool trusted = url.Origin() == origin && (url.https || IsLoopbackHost(url.host));
      AX_RETURN_IF_ERROR(RunHop(&hop, trusted ? request.bearer : ""));
      if (!hop.Redirects()) return {};
      const std::string location(hop.headers.Get("Location"));
      if (location.empty() || redirects >= options_.max_redirects) {
        return Fail(ErrorKind::kInternal,
                    fmt::format("{} redirects {}", hop.Peer(),
                                location.empty() ? "to nowhere" : "without an end"));
      }
      private_allowed = private_allowed && WasPrivate(hop);
      AX_ASSIGN_OR_RETURN(url, Redirected(url, location));
    }
  }

  void Cancel() override {
    cancelled_ = true;
    curl_multi_wakeup(multi_.get());
  }

 private:
  Status Check(const FetchUrl& url, bool private_allowed) const {
    if (!HostAllowed(options_.hosts, url.host)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{} is not one of the hosts that may be asked", url.host));
    }
    if (!private_allowed && IsPrivateHost(url.host)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("{} is an address of the private network: not asked", url.host));
    }
    if (!url.https && !options_.insecure && !IsLoopbackHost(url.host)) {
      return Fail(
          ErrorKind::kInvalid,
          fmt::format("{} would be asked without encryption: \"insecure\" allows that", url.host));
    }
    return {};
  }

  bool WasPrivate(const FetchHop& hop) const {
    if (!hop.proxy.empty()) return IsPrivateHost(hop.url.host);
    const char* address = nullptr;
    curl_easy_getinfo(easy_.get(), CURLINFO_PRIMARY_IP, &address);
    const std::string text = address == nullptr ? "" : address;
    return IsPrivateHost(text.find(':') == std::string::npos ? text : "[" + text + "]");
  }

  Status RunHop(FetchHop* hop, const std::string& bearer) {
    HeaderList list;
    for (const auto& [name, value] : hop->request.headers.list) {
      // libcurl's own form of a header without a value.
      AX_RETURN_IF_ERROR(AddHeader(&list, value.empty() ? name + ";" : name + ": " + value));
    }
    if (!bearer.empty()) AX_RETURN_IF_ERROR(AddHeader(&list, "Authorization: Bearer " + bearer));
    // Taken out: libcurl would wait a second for servers that do not know it.
    AX_RETURN_IF_ERROR(AddHeader(&list, "Expect:"));
    char details[CURL_ERROR_SIZE] = "";
    curl_easy_reset(easy_.get());
    hop->Apply(easy_.get(), list.get(), options_, ca_file_);
    // A connection that was made while private addresses were allowed must not serve this hop.
    if (!hop->private_allowed && private_pooled_) {
      curl_easy_setopt(easy_.get(), CURLOPT_FRESH_CONNECT, 1L);
    }
    curl_easy_setopt(easy_.get(), CURLOPT_ERRORBUFFER, details);
    private_pooled_ = private_pooled_ || hop->private_allowed;
    curl_multi_add_handle(multi_.get(), easy_.get());
    const Status waited = Wait(hop);
    CURLcode code = CURLE_OK;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg == CURLMSG_DONE) code = message->data.result;
    }
    curl_multi_remove_handle(multi_.get(), easy_.get());
    AX_RETURN_IF_ERROR(waited);
    return hop->Finish(code, details);
  }

  Status Wait(FetchHop* hop) {
    hop->last_sign = steady_clock::now();
    for (int running = 1;;) {
      if (cancelled_) return Fail(ErrorKind::kCancelled, "cancelled");
      if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) {
        return Fail(ErrorKind::kInternal, "libcurl cannot go on");
      }
      if (running == 0) return {};
      // The time to connect has a limit of its own, within libcurl.
      milliseconds pause(1'000);
      if (options_.stall_timeout.count() > 0) {
        const auto silent =
            std::chrono::duration_cast<milliseconds>(steady_clock::now() - hop->last_sign);
        const auto limit = options_.stall_timeout +
                           (hop->header_bytes == 0 ? options_.connect_timeout : milliseconds(0));
        if (silent >= limit) {
          return Fail(ErrorKind::kTimeout, fmt::format("{} has been silent for {} s", hop->Peer(),
                                                       options_.stall_timeout.count() / 1000.0));
        }
        pause = std::min(pause, limit - silent);
      }
      if (curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(pause.count()) + 1, nullptr) !=
          CURLM_OK) {
        return Fail(ErrorKind::kInternal, "libcurl cannot wait");
      }
    }
  }

  const FetchOptions options_;
  const ProxySettings proxies_;
  const std::string ca_file_;
  // In this order: the handle goes before the pool of connections that it uses.
  const std::unique_ptr<CURLM, MultiCleanup> multi_;
  const std::unique_ptr<CURL, EasyCleanup> easy_;
  bool private_pooled_ = false;
  std::atomic<bool> cancelled_{false};
};

}  // namespace

Result<std::unique_ptr<Fetcher>> Fetcher::Create(FetchOptions options) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (started != CURLE_OK) {
    return Fail(ErrorKind::kInternal,
                fmt::format("libcurl cannot start: {}", curl_easy_strerror(started)));
  }
  auto fetcher = std::make_unique<CurlFetcher>(std::move(options));
  if (!fetcher->ok()) return Fail(ErrorKind::kInternal, "libcurl has no memory");
  return fetcher;
}

Result<FetchResponse> FetchAll(Fetcher& fetcher, FetchRequest request) {
  FetchResponse response;
  request.on_head = [&](const FetchHead& head) -> Status {
    response.head = head;
    return {};
  };
  request.on_body = [&](std::string_view bytes) -> Status {
    response.body.append(bytes);
    return {};
  };
  AX_RETURN_IF_ERROR(fetcher.Run(request));
  return response;
}

bool HostAllowed(const std::vector<std::string>& hosts, std::string_view host) {
  if (hosts.empty()) return true;
  return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& entry) {
    if (entry.empty()) return false;
    return entry.front() == '.' ? host.size() > entry.size() && host.ends_with(entry)
                                : host == entry;
  });
}

}  // namespace axollama::net
