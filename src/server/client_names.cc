#include "server/client_names.h"

#include <algorithm>
#include <utility>

namespace axollama::server {
namespace {

// What a proxy may send as a name: more is cut, since it only tells clients apart.
constexpr size_t kMaxName = 128;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// "127.0.0.1:40312" and "[::1]:40312" without port and brackets; "unix" as it is.
std::string_view Address(std::string_view peer) {
  if (!peer.empty() && peer.front() == '[') return peer.substr(1, peer.find(']') - 1);
  return peer.substr(0, peer.rfind(':'));
}

}  // namespace

ClientNames::ClientNames(std::vector<net::Network> proxies, std::string header)
    : proxies_(std::move(proxies)), header_(std::move(header)) {}

bool ClientNames::Trusted(std::string_view address) const {
  const auto ip = net::ParseIp(address);
  return ip && std::any_of(proxies_.begin(), proxies_.end(),
                           [&](const net::Network& network) { return network.Contains(*ip); });
}

std::string ClientNames::Of(const net::Request& request) const {
  const std::string_view address = Address(request.peer);
  std::string_view name = address.empty() ? std::string_view("unknown") : address;
  if (!Trusted(address)) return std::string(name);
  // A proxy may add a header of its own behind its client's.
  std::string all;
  for (const auto& [key, value] : request.headers.list) {
    if (net::SameName(key, header_)) all += (all.empty() ? "" : ",") + value;
  }
  std::string_view said = Trim(all);
  if (net::SameName(header_, "X-Forwarded-For")) {
    // Each proxy appends whom it saw: what stands before the last stranger is the stranger's word.
    while (!said.empty()) {
      const size_t comma = said.rfind(',');
      const std::string_view last =
          Trim(comma == std::string_view::npos ? said : said.substr(comma + 1));
      if (!last.empty()) name = last;
      if (!Trusted(last)) break;
      said = comma == std::string_view::npos ? std::string_view() : said.substr(0, comma);
    }
  } else if (!said.empty()) {
    name = said;
  }
  return std::string(name.substr(0, kMaxName));
}

}  // namespace axollama::server
