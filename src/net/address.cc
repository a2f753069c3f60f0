#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdint>
#include <cstring>
#include <optional>

namespace axollama::net {
namespace {

struct Range {
  uint32_t address;
  int bits;
};
constexpr Range kPrivate[] = {
    {0x00000000, 8},   // this network, and the unspecified address
    {0x0a000000, 8},   // RFC 1918
    {0x64400000, 10},  // shared (RFC 6598)
    {0x7f000000, 8},   // loopback
    {0xa9fe0000, 16},  // link-local; also where clouds keep their credentials
    {0xac100000, 12},  // RFC 1918
    {0xc0a80000, 16},  // RFC 1918
    {0xe0000000, 3},   // multicast, reserved and broadcast
};

bool IsPrivate4(uint32_t address) {
  for (const Range& range : kPrivate) {
    if ((address ^ range.address) >> (32 - range.bits) == 0) return true;
  }
  return false;
}

uint32_t Load4(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

bool IsPrivate6(const in6_addr& address) {
  const uint8_t* b = address.s6_addr;
  static constexpr uint8_t kZero[12] = {};
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  static constexpr uint8_t kNat64[12] = {0x00, 0x64, 0xff, 0x9b};
  // Compatible addresses include :: and ::1, which are 0.0.0.0 and 0.0.0.1 then.
  if (std::memcmp(b, kZero, 12) == 0 || std::memcmp(b, kMapped, 12) == 0 ||
      std::memcmp(b, kNat64, 12) == 0) {
    return IsPrivate4(Load4(b + 12));
  }
  if (b[0] == 0x20 && b[1] == 0x02) return IsPrivate4(Load4(b + 2));  // 6to4
  return (b[0] & 0xfe) == 0xfc ||                                     // unique-local
         (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) ||                   // link-local
         b[0] == 0xff;                                                // multicast
}

struct Parsed {
  std::optional<in_addr> v4;
  std::optional<in6_addr> v6;
};

Parsed Parse(std::string host) {
  Parsed parsed;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (const size_t zone = host.find('%'); zone != std::string::npos) host.resize(zone);
  }
  in_addr v4;
  in6_addr v6;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) parsed.v4 = v4;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) parsed.v6 = v6;
  return parsed;
}

bool IsLocalhost(const std::string& host) {
  return host == "localhost" || host.ends_with(".localhost");
}

}  // namespace

bool IsPrivateAddress(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof(v4));
    return IsPrivate4(ntohl(v4.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof(v6));
    return IsPrivate6(v6.sin6_addr);
  }
  return true;
}

bool IsPrivateHost(const std::string& host) {
  const Parsed parsed = Parse(host);
  if (parsed.v4) return IsPrivate4(ntohl(parsed.v4->s_addr));
  if (parsed.v6) return IsPrivate6(*parsed.v6);
  return IsLocalhost(host);
}

bool IsLoopbackHost(const std::string& host) {
  const Parsed parsed = Parse(host);
  if (parsed.v4) return ntohl(parsed.v4->s_addr) >> 24 == 127;
  if (parsed.v6) return IN6_IS_ADDR_LOOPBACK(&*parsed.v6);
  return IsLocalhost(host);
}

}  // namespace axollama::net
