// Requests to servers of the internet: HTTPS with verified certificates, proxies, redirects and
// streamed answers. The face of libcurl; net/client.h speaks to our own processes.
//
// What a server answers is untrusted: every redirect is followed here and checked like the first
// URL (scheme, host, address), `bearer` goes to the origin of the first URL alone and never without
// encryption beyond one's own machine, nothing is decompressed, and bodies have a limit. Proxies
// are the environment's (net/proxy.h); of a host that a proxy reaches only the name can be checked.
// Certificates are checked against the file that CURL_CA_BUNDLE or SSL_CERT_FILE names, else
// against the system's.
//
// Owner: the caller. Threads: one thread runs requests, one at a time; Cancel() may come from any.
// The process must ignore SIGPIPE.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http.h"

namespace axollama::net {

struct FetchOptions {
  // Hosts that may be asked: "hf.co" is that one, ".hf.co" every one below it. Empty: any.
  std::vector<std::string> hosts;
  // Plain HTTP also to other hosts than one's own machine.
  bool insecure = false;
  // The first URL may lead to a private address (net/address.h), as an address that the user has
  // set may; then its redirects may too.
  bool allow_private = false;
  int max_redirects = 8;
  std::chrono::milliseconds connect_timeout{20'000};
  // Silence allowed once connected; 0: no limit.
  std::chrono::milliseconds stall_timeout{60'000};
};

struct FetchHead {
  int status = 0;
  Headers headers;
  std::string host;  // that answered, after redirects
};

struct FetchRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;    // of POST and the like; their redirects are not followed
  std::string bearer;  // "": none
  uint64_t max_body_bytes = 16u << 20;
  // The last answer's head, then its body in pieces. An error ends the request and is its result.
  std::function<Status(const FetchHead&)> on_head;
  std::function<Status(std::string_view)> on_body;
};

class Fetcher {
 public:
  static Result<std::unique_ptr<Fetcher>> Create(FetchOptions options);
  virtual ~Fetcher() = default;

  // Any HTTP status is a success here. kUnavailable: no connection, or none that can be trusted;
  // kTimeout: silence; kIo: the answer broke off; kInvalid: a URL or redirect that is not allowed;
  // kInternal: no HTTP, or a body over the limit; kCancelled.
  virtual Status Run(const FetchRequest& request) = 0;
  // Ends the running request within a second, and every later one at once.
  virtual void Cancel() = 0;

 protected:
  Fetcher() = default;
};

struct FetchResponse {
  FetchHead head;
  std::string body;
};
// Run with the body as a whole.
Result<FetchResponse> FetchAll(Fetcher& fetcher, FetchRequest request);

// Whether `host` (lower case) is one that `hosts` allows.
bool HostAllowed(const std::vector<std::string>& hosts, std::string_view host);

}  // namespace axollama::net
