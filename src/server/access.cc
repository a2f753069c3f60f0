#include "server/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace axollama::server {
namespace {

constexpr std::string_view kAllowedHeaders =
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,OpenAI-Beta,X-Stainless-Lang,"
    "X-Stainless-Package-Version,X-Stainless-Os,X-Stainless-Arch,X-Stainless-Retry-Count,"
    "X-Stainless-Runtime,X-Stainless-Runtime-Version,X-Stainless-Async,"
    "X-Stainless-Helper-Method,X-Stainless-Poll-Helper,X-Stainless-Custom-Poll-Interval,"
    "X-Stainless-Timeout";

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

AccessRules::AccessRules(std::string_view extra_origins, HostNames hosts)
    : hosts_(std::move(hosts)) {
  auto add = [&](std::string_view origin) {
    if (origin == "*") all_origins_ = true;
    const size_t star = origin.find('*');
    if (star == std::string_view::npos) {
      origins_.push_back({Lower(origin), "", false});
    } else {
      origins_.push_back({Lower(origin.substr(0, star)), Lower(origin.substr(star + 1)), true});
    }
  };
  while (!extra_origins.empty()) {
    const size_t end = std::min(extra_origins.find(','), extra_origins.size());
    std::string_view one = extra_origins.substr(0, end);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (!one.empty()) add(one);
    extra_origins.remove_prefix(std::min(end + 1, extra_origins.size()));
  }
  for (const char* host : {"localhost", "127.0.0.1", "0.0.0.0"}) {
    for (const char* scheme : {"http://", "https://"}) {
      add(std::string(scheme) + host);
      add(fmt::format("{}{}:*", scheme, host));
    }
  }
  for (const char* scheme : {"app://*", "file://*", "tauri://*", "vscode-webview://*",
                             "vscode-file://*", "chrome-extension://*", "safari-extension://*",
                             "moz-extension://*", "ms-browser-extension://*"}) {
    add(scheme);
  }
}

bool AccessRules::AllowsOrigin(std::string_view given) const {
  const std::string origin = Lower(given);
  return all_origins_ || std::any_of(origins_.begin(), origins_.end(), [&](const Pattern& pattern) {
           if (!pattern.star) return origin == pattern.prefix;
           return origin.size() >= pattern.prefix.size() + pattern.suffix.size() &&
                  origin.compare(0, pattern.prefix.size(), pattern.prefix) == 0 &&
                  EndsWith(origin, pattern.suffix);
         });
}

AccessRules::Verdict AccessRules::Check(const net::Request& request) const {
  Verdict out;
  const std::string_view host = request.headers.Get("Host");
  const std::string_view origin = request.headers.Get("Origin");
  const std::string own(host);
  if (!origin.empty() && origin != "http://" + own && origin != "https://" + own) {
    if (!AllowsOrigin(origin)) {
      out.refuse = 403;
      return out;
    }
    out.headers.emplace_back("Access-Control-Allow-Origin",
                             all_origins_ ? "*" : std::string(origin));
    if (request.method == "OPTIONS") {
      out.headers.emplace_back("Access-Control-Allow-Methods",
                               "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS");
      out.headers.emplace_back("Access-Control-Allow-Headers", kAllowedHeaders);
      out.headers.emplace_back("Access-Control-Max-Age", "43200");
    }
    if (!all_origins_) out.headers.emplace_back("Vary", "Origin");
    // The Host check comes first for a pre-flight too: a rebound name must not get this far.
    if (request.method == "OPTIONS" && (!request.local_is_loopback || hosts_.OfThisMachine(host))) {
      out.refuse = 204;
      return out;
    }
  }
  if (request.local_is_loopback) {
    if (!hosts_.OfThisMachine(host)) {
      out.refuse = 403;
      out.headers.clear();
    } else if (request.method == "OPTIONS") {
      out.refuse = 204;
    }
  }
  return out;
}

}  // namespace axollama::server
