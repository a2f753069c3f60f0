#include "net/network.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace axollama::net {
namespace {

constexpr int kMappedBits = 96;  // of ::ffff:0:0/96

bool IsMappedV4(const IpAddress& address) {
  const auto& b = address.bytes;
  return std::all_of(b.begin(), b.begin() + 10, [](uint8_t x) { return x == 0; }) &&
         b[10] == 0xff && b[11] == 0xff;
}

std::optional<IpAddress> ParseBare(std::string_view text) {
  const std::string copy(text);  // inet_pton wants an end
  IpAddress out;
  if (copy.size() != text.size() || copy.find('\0') != std::string::npos) return std::nullopt;
  if (inet_pton(AF_INET, copy.c_str(), out.bytes.data() + 12) == 1) {
    out.bytes[10] = out.bytes[11] = 0xff;
    return out;
  }
  if (inet_pton(AF_INET6, copy.c_str(), out.bytes.data()) == 1) return out;
  return std::nullopt;
}

bool IsPort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

bool IpAddress::is_loopback() const {
  if (IsMappedV4(*this)) return bytes[12] == 127;
  return std::all_of(bytes.begin(), bytes.end() - 1, [](uint8_t x) { return x == 0; }) &&
         bytes[15] == 1;
}

std::optional<IpAddress> ParseIp(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !IsPort(rest.substr(1)))) return std::nullopt;
    return ParseBare(text.substr(1, end - 1));
  }
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    if (!IsPort(text.substr(colon + 1))) return std::nullopt;
    text = text.substr(0, colon);
  }
  return ParseBare(text);
}

bool Network::Contains(const IpAddress& other) const {
  const int whole = bits / 8;
  if (!std::equal(address.bytes.begin(), address.bytes.begin() + whole, other.bytes.begin())) {
    return false;
  }
  if (bits % 8 == 0) return true;
  const int shift = 8 - bits % 8;
  return address.bytes[static_cast<size_t>(whole)] >> shift ==
         other.bytes[static_cast<size_t>(whole)] >> shift;
}

Result<Network> ParseNetwork(std::string_view text) {
  const auto fail = [&](std::string_view why) {
    return Fail(ErrorKind::kInvalid, fmt::format("\"{}\" is no network: {}", text, why));
  };
  const size_t slash = text.find('/');
  const auto address = ParseBare(text.substr(0, slash));
  if (!address) return fail("write 192.168.1.0/24, fd00::/8 or one address");
  Network out{*address, 128};
  if (slash == std::string_view::npos) return out;
  const bool v4 = text.find(':') == std::string_view::npos;
  const std::string_view digits = text.substr(slash + 1);
  int bits = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc() || end != digits.data() + digits.size() || bits < 0 ||
      bits > (v4 ? 32 : 128)) {
    return fail(v4 ? "its length must be 0 to 32" : "its length must be 0 to 128");
  }
  out.bits = v4 ? bits + kMappedBits : bits;
  return out;
}

}  // namespace axollama::net
