#include "base/ollama_host.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

#include "base/env.h"

namespace axollama {
namespace {

std::string_view TrimAny(std::string_view s, std::string_view set) {
  while (!s.empty() && set.find(s.front()) != std::string_view::npos) s.remove_prefix(1);
  while (!s.empty() && set.find(s.back()) != std::string_view::npos) s.remove_suffix(1);
  return s;
}

bool IsIp(const std::string& s) {
  unsigned char buffer[sizeof(in6_addr)];
  return inet_pton(AF_INET, s.c_str(), buffer) == 1 || inet_pton(AF_INET6, s.c_str(), buffer) == 1;
}

// Go's net.SplitHostPort: a port must be there, and a host with colons must be in brackets.
std::optional<std::pair<std::string, std::string>> SplitHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return std::nullopt;
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;
  }
  if (host.find_first_of("[]") != std::string_view::npos) return std::nullopt;
  return std::pair(std::string(host), std::string(text.substr(colon + 1)));
}

std::string Join(const std::string& host, uint16_t port) {
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

}  // namespace

std::string OllamaHost::ListenAddress() const { return Join(host, port); }

std::string OllamaHost::DialAddress() const {
  if (host.empty() || host == "0.0.0.0") return Join("127.0.0.1", port);
  if (host == "::") return Join("::1", port);
  return Join(host, port);
}

OllamaHost ParseOllamaHost(std::string_view value) {
  OllamaHost out;
  std::string_view rest = TrimAny(TrimAny(value, " \t\r\n"), "\"'");
  uint16_t default_port = 11434;
  if (const size_t at = rest.find("://"); at != std::string_view::npos) {
    out.scheme = std::string(rest.substr(0, at));
    rest.remove_prefix(at + 3);
    if (out.scheme == "http") default_port = 80;
    if (out.scheme == "https") default_port = 443;
  }
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    out.path = std::string(rest.substr(slash + 1));
    rest = rest.substr(0, slash);
  }
  out.port = default_port;
  const auto split = SplitHostPort(rest);
  if (!split) {
    const std::string bare(TrimAny(rest, "[]"));
    if (IsIp(bare)) {
      out.host = bare;
    } else if (!rest.empty()) {
      out.host = std::string(rest);
    }
    return out;
  }
  out.host = split->first;
  const std::string& port = split->second;
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number > 65535) {
    out.warning = fmt::format("OLLAMA_HOST: \"{}\" is no port; using {}", port, default_port);
    return out;
  }
  out.port = static_cast<uint16_t>(number);
  return out;
}

OllamaHost OllamaHostFromEnv() { return ParseOllamaHost(GetEnv("OLLAMA_HOST").value_or("")); }

}  // namespace axollama
