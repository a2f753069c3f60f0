#include "net/fetch_url.h"

#include <fmt/format.h>

#include <cctype>
#include <cstdlib>

#include "base/one_line.h"

namespace axollama::net {
namespace {

std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string out = text;
  curl_free(text);
  return out;
}

std::string Shown(const std::string& text) {
  constexpr size_t kMost = 200;
  return OneLine(text.size() > kMost ? text.substr(0, kMost) + "..." : text);
}

tl::unexpected<Error> Bad(const std::string& text, std::string_view why) {
  return Fail(ErrorKind::kInvalid, fmt::format("the URL {} {}", Shown(text), why));
}

Result<FetchUrl> Take(CurlUrl parsed, const std::string& text) {
  FetchUrl url;
  const std::string scheme = Part(parsed.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") return Bad(text, "is neither http nor https");
  url.https = scheme == "https";
  if (!Part(parsed.get(), CURLUPART_USER).empty() ||
      !Part(parsed.get(), CURLUPART_PASSWORD).empty()) {
    return Bad(text.substr(0, text.find(':')) + "://...", "holds a user's name or password");
  }
  url.host = Part(parsed.get(), CURLUPART_HOST);
  for (char& c : url.host) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  // "hf.co." is the same host, but not to those who compare names.
  if (url.host.empty() || url.host.back() == '.') return Bad(text, "names no host");
  url.port = static_cast<uint16_t>(
      std::strtoul(Part(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT).c_str(), nullptr, 10));
  if (url.port == 0) return Bad(text, "names port 0, where nothing can listen");
  url.parsed = std::move(parsed);
  return url;
}

}  // namespace

std::string FetchUrl::Origin() const {
  return fmt::format("{}://{}:{}", https ? "https" : "http", host, port);
}

Result<FetchUrl> ParseFetchUrl(const std::string& text) {
  CurlUrl parsed(curl_url());
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, text.c_str(), 0);
  if (code != CURLUE_OK) return Bad(text, fmt::format("is none: {}", curl_url_strerror(code)));
  return Take(std::move(parsed), text);
}

Result<FetchUrl> Redirected(const FetchUrl& from, const std::string& location) {
  CurlUrl parsed(curl_url_dup(from.parsed.get()));
  const CURLUcode code = curl_url_set(parsed.get(), CURLUPART_URL, location.c_str(), 0);
  if (code != CURLUE_OK) {
    return Bad(location, fmt::format("of a redirect is none: {}", curl_url_strerror(code)));
  }
  return Take(std::move(parsed), location);
}

}  // namespace axollama::net
