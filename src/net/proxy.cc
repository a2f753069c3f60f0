#include "net/proxy.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/env.h"
#include "net/address.h"

namespace axollama::net {
namespace {

std::string Either(const char* upper, const char* lower) {
  if (const auto value = GetEnv(upper)) return *value;
  return GetEnv(lower).value_or("");
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

std::string Bare(const std::string& host) {
  return host.size() > 2 && host.front() == '[' ? host.substr(1, host.size() - 2) : host;
}

// An address as bytes: 4 or 16 of them.
struct Bytes {
  std::array<uint8_t, 16> at{};
  size_t count = 0;
};
std::optional<Bytes> ParseAddress(const std::string& text) {
  Bytes bytes;
  if (inet_pton(AF_INET, text.c_str(), bytes.at.data()) == 1) {
    bytes.count = 4;
    return bytes;
  }
  if (inet_pton(AF_INET6, text.c_str(), bytes.at.data()) == 1) {
    bytes.count = 16;
    return bytes;
  }
  return std::nullopt;
}

bool InBlock(const Bytes& address, const Bytes& block, size_t bits) {
  if (address.count != block.count || bits > block.count * 8) return false;
  if (std::memcmp(address.at.data(), block.at.data(), bits / 8) != 0) return false;
  if (bits % 8 == 0) return true;
  return (address.at[bits / 8] ^ block.at[bits / 8]) >> (8 - bits % 8) == 0;
}

bool MatchesBlock(const std::string& entry, const std::string& host) {
  const size_t slash = entry.find('/');
  const auto block = ParseAddress(entry.substr(0, slash));
  const auto address = ParseAddress(host);
  size_t bits = 0;
  const char* end = entry.data() + entry.size();
  const auto [stop, error] = std::from_chars(entry.data() + slash + 1, end, bits);
  return block && address && error == std::errc{} && stop == end && InBlock(*address, *block, bits);
}

bool Matches(std::string entry, const std::string& host, uint16_t port) {
  if (entry == "*") return true;
  if (entry.find('/') != std::string::npos) return MatchesBlock(entry, host);
  if (const auto whole = ParseAddress(entry)) {
    const auto address = ParseAddress(host);
    return address && InBlock(*address, *whole, whole->count * 8);
  }
  if (const size_t colon = entry.rfind(':'); colon != std::string::npos) {
    if (entry.substr(colon + 1) != std::to_string(port)) return false;
    entry = Bare(entry.substr(0, colon));
    if (ParseAddress(entry)) return Matches(entry, host, port);
  }
  if (entry.rfind("*.", 0) == 0) entry.erase(0, 1);
  if (entry.empty()) return false;
  if (entry.front() == '.') return host.ends_with(entry);
  return host == entry || host.ends_with("." + entry);
}

}  // namespace

ProxySettings ProxyFromEnvironment() {
  return {Either("HTTP_PROXY", "http_proxy"), Either("HTTPS_PROXY", "https_proxy"),
          Either("NO_PROXY", "no_proxy")};
}

std::string ProxyFor(const ProxySettings& settings, bool https, const std::string& host,
                     uint16_t port) {
  const std::string& proxy = https ? settings.https : settings.http;
  if (proxy.empty() || IsLoopbackHost(host)) return "";
  std::string_view rest = settings.no_proxy;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    std::string entry(Trim(rest.substr(0, comma)));
    for (char& c : entry) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (!entry.empty() && Matches(entry, Bare(host), port)) return "";
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return proxy;
}

}  // namespace axollama::net
