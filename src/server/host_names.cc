#include "server/host_names.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <utility>

#include "net/fetch.h"

namespace axollama::server {
namespace {

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view WithoutPort(std::string_view host) {
  if (!host.empty() && host.front() == '[') {
    const size_t end = host.find(']');
    const bool ends =
        end != std::string_view::npos && (end + 1 == host.size() || host[end + 1] == ':');
    return ends ? host.substr(1, end - 1) : host;
  }
  const size_t colon = host.find(':');
  // More than one colon without brackets is an IPv6 address without a port.
  if (colon == std::string_view::npos || host.find(':', colon + 1) != std::string_view::npos) {
    return host;
  }
  return host.substr(0, colon);
}

bool IsInterfaceAddress(int family, const void* address, size_t size) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return false;
  bool found = false;
  for (const ifaddrs* i = list; i != nullptr && !found; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != family) continue;
    const void* own =
        family == AF_INET
            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr)
            : &reinterpret_cast<const sockaddr_in6*>(i->ifa_addr)->sin6_addr;
    found = memcmp(own, address, size) == 0;
  }
  freeifaddrs(list);
  return found;
}

bool IsOwnV4(const in_addr& address) {
  const uint32_t ip = ntohl(address.s_addr);
  const bool loopback = (ip >> 24) == 127;
  const bool special = ip == 0;
  const bool private_range = (ip >> 24) == 10 || (ip >> 20) == 0xAC1 || (ip >> 16) == 0xC0A8;
  return loopback || special || private_range ||
         IsInterfaceAddress(AF_INET, &address, sizeof(address));
}

bool IsOwnV6(const in6_addr& address) {
  return IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_UNSPECIFIED(&address) ||
         (address.s6_addr[0] & 0xFE) == 0xFC ||
         IsInterfaceAddress(AF_INET6, &address, sizeof(address));
}

}  // namespace

HostNames::HostNames(std::string hostname, std::vector<std::string> allowed)
    : hostname_(Lower(hostname)), allowed_(std::move(allowed)) {}

bool HostNames::Allowed(std::string_view host) const {
  return !allowed_.empty() && net::HostAllowed(allowed_, host);
}

bool HostNames::OfThisMachine(std::string_view header) const {
  const std::string host = Lower(WithoutPort(header));
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return IsOwnV4(v4);
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IsOwnV6(v6);
  if (host.empty() || host == "localhost" || host == hostname_ || Allowed(host)) return true;
  return host.ends_with(".localhost") || host.ends_with(".local") || host.ends_with(".internal");
}

bool HostNames::CannotBeRebound(std::string_view header) const {
  std::string host = Lower(WithoutPort(header));
  if (host.ends_with('.')) host.pop_back();
  if (host.find_first_of(".:") == std::string::npos || host == hostname_ || Allowed(host)) {
    return true;
  }
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return true;
  // A zone ("fe80::1%eth0") only says which way.
  if (inet_pton(AF_INET6, host.substr(0, host.find('%')).c_str(), &v6) == 1) return true;
  constexpr std::string_view kLocal[] = {".localhost", ".local", ".lan", ".internal", ".home.arpa"};
  return std::any_of(std::begin(kLocal), std::end(kLocal),
                     [&](std::string_view end) { return host.ends_with(end); });
}

}  // namespace axollama::server
