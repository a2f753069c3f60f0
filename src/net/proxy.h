// Which proxy the environment names for a URL, read as Go's httpproxy (and so Ollama) reads it.
//
// HTTPS_PROXY or https_proxy for https, HTTP_PROXY or http_proxy for http. NO_PROXY (or no_proxy)
// is a comma list: `*`; `example.com` with all below it; `.example.com`, only what is below it;
// an address or a block of them (10.0.0.0/8); each with :PORT where it is meant for that one only.
// localhost and loopback addresses are never asked of a proxy.
// Source: the documentation of golang.org/x/net/http/httpproxy.
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace axollama::net {

struct ProxySettings {
  std::string http, https;  // URLs; "": none
  std::string no_proxy;
};
ProxySettings ProxyFromEnvironment();

// "" for none. `host` in lower case, an IPv6 address in brackets.
std::string ProxyFor(const ProxySettings& settings, bool https, const std::string& host,
                     uint16_t port);

}  // namespace axollama::net
