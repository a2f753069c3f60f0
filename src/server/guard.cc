#include "server/guard.h"

#include <ctype.h>
#include <fmt/format.h>

#include <algorithm>

namespace axollama::server {
namespace {

constexpr size_t kMaxShownHost = 255;  // of what a client sent: as long as a name can be

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> SplitList(std::string_view list) {
  std::vector<std::string_view> out;
  for (;;) {
    const size_t comma = list.find(',');
    out.push_back(Trim(list.substr(0, comma)));
    if (comma == std::string_view::npos) return out;
    list.remove_prefix(comma + 1);
  }
}

bool InAny(const std::vector<net::Network>& networks, const net::IpAddress& address) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const net::Network& network) { return network.Contains(address); });
}

// `Authorization: Bearer KEY`, or Anthropic's header.
std::string_view ShownKey(const net::Request& request) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view given = request.headers.Get("Authorization");
  if (given.size() > kScheme.size() && net::SameName(given.substr(0, kScheme.size()), kScheme)) {
    return Trim(given.substr(kScheme.size()));
  }
  return Trim(request.headers.Get("x-api-key"));
}

unsigned ScopeOf(Need need) {
  switch (need) {
    case Need::kManage:
      return keys::kManage;
    case Need::kMetrics:
      return keys::kMetrics;
    case Need::kInference:
    case Need::kNothing:
      break;
  }
  return keys::kInference;
}

}  // namespace

Guard::Guard(GuardOptions options)
    : options_(std::move(options)),
      hosts_(options_.hostname, options_.hosts),
      keys_(options_.keys.empty() ? keys::DefaultPath() : options_.keys) {}

bool Guard::IsNear(const net::Request& request) const {
  bool forwarded = false;
  std::vector<std::string_view> hops;  // the client first, as far as each proxy knew
  for (const auto& [name, value] : request.headers.list) {
    if (net::SameName(name, "X-Forwarded-For")) {
      const auto more = SplitList(value);
      hops.insert(hops.end(), more.begin(), more.end());
      forwarded = true;
    } else if (net::SameName(name, "Forwarded") || net::SameName(name, "X-Real-IP")) {
      forwarded = true;
    }
  }
  if (request.peer == "unix") return !forwarded;
  auto address = net::ParseIp(request.peer);
  if (!address) return false;
  if (InAny(options_.proxies, *address)) {
    // From the last hop back: what stands before one that is no proxy was written by its client.
    do {
      if (hops.empty()) return false;
      address = net::ParseIp(hops.back());
      hops.pop_back();
      if (!address) return false;
    } while (InAny(options_.proxies, *address));
  } else if (forwarded) {
    return false;
  }
  return address->is_loopback() || InAny(options_.near, *address);
}

std::optional<std::string> Guard::Refusal(const net::Request& request, Need need) const {
  if (need == Need::kNothing) return std::nullopt;
  const std::string_view host = request.headers.Get("Host");
  // No browser speaks to a Unix socket.
  const bool trusted_host = request.peer == "unix" || hosts_.CannotBeRebound(host);
  const bool near = !options_.key_always && IsNear(request);
  if (near && trusted_host) return std::nullopt;
  const std::string_view shown = ShownKey(request);
  const keys::Keyring::State key = keys_.Check(shown);
  if (key.scopes && (*key.scopes & ScopeOf(need)) != 0) return std::nullopt;
  if (!key.any && need == Need::kInference && !options_.key_always) return std::nullopt;
  const std::string scope = keys::FormatScopes(ScopeOf(need));
  if (key.scopes) {
    return fmt::format("this API key has not the scope \"{}\", which {} {} needs", scope,
                       request.method, request.path);
  }
  if (near) {
    return fmt::format(
        "{} {} needs an API key with the scope \"{}\" under the name \"{}\", which could be a "
        "stranger's: use this server's address, or name it in the setting allow_hosts",
        request.method, request.path, scope, host.substr(0, kMaxShownHost));
  }
  return fmt::format(
      "{} {} needs an API key with the scope \"{}\" from where this request comes{}: "
      "`axollama key add NAME --scope {}` on the server makes one",
      request.method, request.path, scope, shown.empty() ? "" : ", and the one shown is none",
      scope);
}

std::string Guard::KeyName(const net::Request& request) const {
  const std::string_view shown = ShownKey(request);
  return shown.empty() ? std::string() : keys_.Check(shown).name;
}

std::string Guard::Consequences(std::string_view address) const {
  const auto ip = net::ParseIp(address);
  const bool here_only = ip && ip->is_loopback();
  const bool any_key = keys_.Check("").any;
  if (options_.key_always) {
    return any_key ? "every request needs an API key"
                   : "every request needs an API key, and there is none yet: `axollama key add "
                     "NAME --scope all` makes one";
  }
  if (here_only) return "programs on this computer may use and manage the models";
  return fmt::format(
      "{} may use the models{}; managing them takes a key with the scope \"manage\", except from "
      "this computer{}",
      any_key ? "whoever reaches this address and has an API key" : "WHOEVER REACHES THIS ADDRESS",
      any_key ? "" : " without a key (`axollama key add NAME` closes that)",
      options_.near.empty() ? "" : " and the allowed networks");
}

Result<std::vector<net::Network>> ParseNetworks(const std::vector<std::string>& texts) {
  std::vector<net::Network> out;
  for (const std::string& text : texts) {
    AX_ASSIGN_OR_RETURN(const net::Network network, net::ParseNetwork(Trim(text)));
    out.push_back(network);
  }
  return out;
}

Result<std::vector<std::string>> ParseHosts(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const std::string& text : texts) {
    std::string host(Trim(text));
    const auto bad = [](unsigned char c) {
      return !isalnum(c) && c != '-' && c != '.' && c != '_';
    };
    if (host.empty() || host == "." || std::any_of(host.begin(), host.end(), bad)) {
      return Fail(ErrorKind::kInvalid,
                  fmt::format("\"{}\" is no host name: write example.com for one, or .example.com "
                              "for all below it, without scheme and port",
                              text));
    }
    for (char& c : host) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
    out.push_back(std::move(host));
  }
  return out;
}

}  // namespace axollama::server
