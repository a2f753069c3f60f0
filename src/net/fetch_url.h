// The parts of a URL that a fetch is judged by. Private to the room.
//
// libcurl parses it, and gets this very parse to work on, so that what was checked is what is
// asked.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace axollama::net {

struct CurlUrlCleanup {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using CurlUrl = std::unique_ptr<CURLU, CurlUrlCleanup>;

struct FetchUrl {
  CurlUrl parsed;
  bool https = false;
  std::string host;  // lower case; an IPv6 address in brackets
  uint16_t port = 0;

  std::string Origin() const;
};

// http and https alone, without a user or a password in it. kInvalid says what is wrong.
Result<FetchUrl> ParseFetchUrl(const std::string& text);
// A Location header, relative to where it came from.
Result<FetchUrl> Redirected(const FetchUrl& from, const std::string& location);

}  // namespace axollama::net
