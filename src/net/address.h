// Which addresses lie within one's own network: a fetch that the internet steers must not get
// there.
//
// Private are: unspecified, loopback, link-local, RFC 1918, shared (RFC 6598), unique-local (RFC
// 4193), multicast, broadcast, and the IPv6 forms that carry such an IPv4 address (mapped,
// compatible, 6to4, NAT64).
// Threads: plain functions.
#pragma once

#include <sys/socket.h>

#include <string>

namespace axollama::net {

// Other families than IPv4 and IPv6 count as private.
bool IsPrivateAddress(const sockaddr* address);

// Of a host as a URL has it: an address ("10.0.0.1", "[::1]"), or `localhost` and what ends in
// `.localhost`. A name is not resolved: false.
bool IsPrivateHost(const std::string& host);

// Loopback alone, by the same rules: there plain HTTP crosses no wire.
bool IsLoopbackHost(const std::string& host);

}  // namespace axollama::net
