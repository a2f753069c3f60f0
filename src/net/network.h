// IP addresses and networks, as far as it matters where a request comes from.
//
// IPv4 is held as IPv4 in IPv6 (::ffff:a.b.c.d), so that a listener for both families and a network
// written either way agree. Owner and threads: plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace axollama::net {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};

  bool is_loopback() const;
  bool operator==(const IpAddress&) const = default;
};

// "127.0.0.1", "::1", "[::1]", each also with ":PORT" behind it ("::1" alone has none). Nothing for
// whatever else, and for a Unix socket.
std::optional<IpAddress> ParseIp(std::string_view text);

struct Network {
  IpAddress address;
  int bits = 128;

  bool Contains(const IpAddress& other) const;
};

// "192.168.1.0/24", "fd00::/8", or one address. kInvalid says what is wrong.
Result<Network> ParseNetwork(std::string_view text);

}  // namespace axollama::net
