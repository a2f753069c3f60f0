#include "net/fetch_hop.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>

#include "base/one_line.h"
#include "net/address.h"

namespace axollama::net {
namespace {

constexpr size_t kMaxHeadBytes = 64u << 10;
constexpr uint64_t kMaxRedirectBody = 64u << 10;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  return text;
}

std::string AddressText(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text,
              sizeof(text));
  } else if (address->sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text,
              sizeof(text));
  }
  return text;
}

}  // namespace

bool FetchHop::Redirects() const {
  return follow &&
         (status == 301 || status == 302 || status == 303 || status == 307 || status == 308);
}

std::string FetchHop::Peer() const {
  const uint16_t usual = url.https ? 443 : 80;
  return url.port == usual ? url.host : fmt::format("{}:{}", url.host, url.port);
}

size_t FetchHop::OnHeader(char* data, size_t size, size_t count, void* self) {
  auto* hop = static_cast<FetchHop*>(self);
  const bool taken = hop->TakeHeader({data, size * count});
  hop->last_sign = std::chrono::steady_clock::now();
  return taken ? size * count : 0;
}

size_t FetchHop::OnBody(char* data, size_t size, size_t count, void* self) {
  auto* hop = static_cast<FetchHop*>(self);
  const bool taken = hop->TakeBody({data, size * count});
  hop->last_sign = std::chrono::steady_clock::now();
  return taken ? size * count : 0;
}

// The address that is about to be connected is the one that is checked: a name that resolves
// differently the next time cannot get around this.
curl_socket_t FetchHop::OnSocket(void* self, curlsocktype, curl_sockaddr* address) {
  auto* hop = static_cast<FetchHop*>(self);
  if (hop->proxy.empty() && !hop->private_allowed && IsPrivateAddress(&address->addr)) {
    hop->refused = AddressText(&address->addr);
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

bool FetchHop::TakeHeader(std::string_view line) {
  if (head_done) return true;  // a trailer
  header_bytes += line.size();
  if (header_bytes > kMaxHeadBytes) {
    error = Error{ErrorKind::kInternal,
                  fmt::format("{} answers with a header over {} KiB", Peer(), kMaxHeadBytes >> 10)};
    return false;
  }
  if (line.rfind("HTTP/", 0) == 0) {  // also after an interim answer
    headers.list.clear();
    status = 0;
    const size_t space = line.find(' ');
    if (space != std::string_view::npos) {
      std::from_chars(line.data() + space + 1, line.data() + line.size(), status);
    }
    return true;
  }
  const std::string_view text = Trim(line);
  if (text.empty()) return status < 200 || EndHead();
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    headers.list.emplace_back(std::string(Trim(text.substr(0, colon))),
                              std::string(Trim(text.substr(colon + 1))));
  }
  return true;
}

bool FetchHop::EndHead() {
  head_done = true;
  if (Redirects() || !request.on_head) return true;
  Status taken = request.on_head({status, headers, url.host});
  if (!taken) error = std::move(taken).error();
  return taken.has_value();
}

bool FetchHop::TakeBody(std::string_view bytes) {
  body_bytes += bytes.size();
  const uint64_t limit = Redirects() ? kMaxRedirectBody : request.max_body_bytes;
  if (body_bytes > limit) {
    error = Error{
        ErrorKind::kInternal,
        fmt::format("{} answers with more than the {} bytes that were expected", Peer(), limit)};
    return false;
  }
  if (Redirects() || !request.on_body) return true;
  Status taken = request.on_body(bytes);
  if (!taken) error = std::move(taken).error();
  return taken.has_value();
}

void FetchHop::Apply(CURL* easy, curl_slist* list, const FetchOptions& options,
                     const std::string& ca_file) {
  curl_easy_setopt(easy, CURLOPT_CURLU, url.parsed.get());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // A resolver that hangs must not hold up a cancelled request.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "axollama/" AXOLLAMA_VERSION);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, ca_file.c_str());
  }
  // Set even when there is none: libcurl would ask the environment by rules of its own.
  curl_easy_setopt(easy, CURLOPT_PROXY, proxy.c_str());
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method != "GET") {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &FetchHop::OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &FetchHop::OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &FetchHop::OnSocket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
}

Status FetchHop::Finish(CURLcode code, const char* details) {
  if (error) return Fail(std::move(*error));
  if (code == CURLE_OK) {
    if (head_done) return {};
    return Fail(ErrorKind::kInternal, fmt::format("{} does not answer in HTTP", Peer()));
  }
  const std::string words =
      OneLine(details != nullptr && *details != '\0' ? details : curl_easy_strerror(code));
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      if (!refused.empty()) {
        return Fail(ErrorKind::kInvalid,
                    fmt::format("{} is at {}, an address of the private network: not asked", Peer(),
                                refused));
      }
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
      return Fail(ErrorKind::kUnavailable,
                  fmt::format("{} cannot be trusted: {}; SSL_CERT_FILE may name a file of "
                              "certificates to trust",
                              Peer(), words));
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
      return Fail(ErrorKind::kIo, fmt::format("the connection to {} broke off: {}", Peer(), words));
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
      return Fail(ErrorKind::kInternal,
                  fmt::format("{} does not answer in HTTP: {}", Peer(), words));
    default:
      break;
  }
  const std::string by = proxy.empty() ? "is the network up, or is HTTPS_PROXY needed?"
                                       : "the proxy is the environment's HTTPS_PROXY or HTTP_PROXY";
  return Fail(ErrorKind::kUnavailable, fmt::format("cannot reach {}: {}; {}", Peer(), words, by));
}

}  // namespace axollama::net
