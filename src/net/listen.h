// Listening sockets, and the addresses of sockets as text. Private to the room.
//
// Every descriptor is close-on-exec, since the server's process starts children.
// Owner: the caller owns the descriptor. Threads: plain functions.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace axollama::net {

struct Listening {
  int fd = -1;          // non-blocking
  std::string address;  // really bound: "127.0.0.1:11434", "[::1]:11434", or the socket's path
  bool loopback = false;
  // Of a Unix socket, so that only our own file is removed at the end; 0 for TCP.
  dev_t device = 0;
  ino_t inode = 0;
};

Result<Listening> OpenTcp(std::string_view address);
Result<Listening> OpenUnix(const std::string& path);
// Removes the socket's file if it is still the one that was made.
void RemoveUnix(const Listening& listening);

struct HostPort {
  std::string host;  // without brackets; "" for every interface
  std::string port;
};
Result<HostPort> SplitHostPort(std::string_view address);

Result<sockaddr_un> UnixAddress(const std::string& path);

// "127.0.0.1:40312", "[::1]:40312", or "unix".
std::string AddressText(const sockaddr_storage& address);

std::string ErrnoText(int error);

}  // namespace axollama::net
