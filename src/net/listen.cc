#include "net/listen.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <vector>

namespace axollama::net {
namespace {

constexpr int kBacklog = 1024;

bool IsLoopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0;
  }
  return false;
}

// One address of those a name stands for. The error is an errno.
tl::expected<Listening, int> BindOne(const sockaddr* address, socklen_t size) {
  const int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return tl::unexpected<int>(errno);
  const int on = 1;
  const int off = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // "[::]" takes IPv4 too, as in Go.
  if (address->sa_family == AF_INET6) {
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  sockaddr_storage bound{};
  socklen_t bound_size = sizeof(bound);
  if (::bind(fd, address, size) != 0 || ::listen(fd, kBacklog) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &bound_size) != 0) {
    const int error = errno;
    ::close(fd);
    return tl::unexpected<int>(error);
  }
  Listening listening;
  listening.fd = fd;
  listening.address = AddressText(bound);
  listening.loopback = IsLoopback(bound);
  return listening;
}

// A file at the socket's place: a socket nobody answers on is left over from a process that died.
Status ClearStale(const std::string& path, const sockaddr_un& address) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) {
    return Fail(ErrorKind::kConflict,
                fmt::format("cannot listen on {}: a file that is no socket is in the way", path));
  }
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) {
    return Fail(ErrorKind::kIo, fmt::format("cannot listen on {}: {}", path, ErrnoText(errno)));
  }
  const bool answers =
      ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno == EAGAIN;  // a full backlog is an answer too
  ::close(probe);
  if (answers) {
    return Fail(ErrorKind::kConflict,
                fmt::format("cannot listen on {}: another process answers there", path));
  }
  ::unlink(path.c_str());
  return {};
}

}  // namespace

std::string ErrnoText(int error) { return std::generic_category().message(error); }

Result<HostPort> SplitHostPort(std::string_view address) {
  HostPort out;
  const size_t colon = address.rfind(':');
  std::string_view host = address.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (colon == std::string_view::npos || (!bracketed && host.find(':') != std::string_view::npos)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("\"{}\" is no address: write HOST:PORT or [IPV6]:PORT", address));
  }
  out.host = std::string(host);
  out.port = std::string(address.substr(colon + 1));
  uint16_t port = 0;
  const char* end = out.port.data() + out.port.size();
  const auto [at, error] = std::from_chars(out.port.data(), end, port);
  if (error != std::errc() || at != end) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("\"{}\" is no address: the port must be 0 to 65535", address));
  }
  return out;
}

Result<sockaddr_un> UnixAddress(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("socket path {} has {} bytes; 1 to {} are possible", path, path.size(),
                            sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

std::string AddressText(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    return fmt::format("{}:{}", text, ntohs(v4.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
  }
  return "unix";
}

Result<Listening> OpenTcp(std::string_view address) {
  AX_ASSIGN_OR_RETURN(const HostPort parts, SplitHostPort(address));
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(parts.host.empty() ? nullptr : parts.host.c_str(),
                                   parts.port.c_str(), &hints, &found);
  if (failed != 0) {
    return Fail(ErrorKind::kInvalid,
                fmt::format("cannot listen on {}: {}", address, ::gai_strerror(failed)));
  }
  // A name may stand for both families: IPv4 first, as in Go; for every interface IPv6, which
  // takes IPv4 too.
  std::vector<const addrinfo*> order;
  const int first = parts.host.empty() ? AF_INET6 : AF_INET;
  for (const addrinfo* i = found; i != nullptr; i = i->ai_next) {
    if (i->ai_family == first) order.push_back(i);
  }
  for (const addrinfo* i = found; i != nullptr; i = i->ai_next) {
    if (i->ai_family != first) order.push_back(i);
  }
  int error = EADDRNOTAVAIL;
  for (const addrinfo* i : order) {
    auto bound = BindOne(i->ai_addr, i->ai_addrlen);
    if (bound) {
      ::freeaddrinfo(found);
      return std::move(*bound);
    }
    error = bound.error();
    if (error == EADDRINUSE) break;
  }
  ::freeaddrinfo(found);
  if (error == EADDRINUSE) {
    return Fail(ErrorKind::kConflict,
                fmt::format("cannot listen on {}: the address is already in use", address));
  }
  return Fail(ErrorKind::kIo, fmt::format("cannot listen on {}: {}", address, ErrnoText(error)));
}

Result<Listening> OpenUnix(const std::string& path) {
  AX_ASSIGN_OR_RETURN(const sockaddr_un address, UnixAddress(path));
  AX_RETURN_IF_ERROR(ClearStale(path, address));
  Listening listening;
  listening.address = path;
  listening.fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct stat info{};
  // Nobody can connect before listen(), so the mode is right from the first moment.
  if (listening.fd < 0 ||
      ::bind(listening.fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::lstat(path.c_str(), &info) != 0 ||
      ::listen(listening.fd, kBacklog) != 0) {
    const int error = errno;
    if (listening.fd >= 0) ::close(listening.fd);
    return Fail(error == EADDRINUSE ? ErrorKind::kConflict : ErrorKind::kIo,
                fmt::format("cannot listen on {}: {}", path, ErrnoText(error)));
  }
  listening.device = info.st_dev;
  listening.inode = info.st_ino;
  return listening;
}

void RemoveUnix(const Listening& listening) {
  struct stat info{};
  if (listening.inode == 0 || ::lstat(listening.address.c_str(), &info) != 0) return;
  if (info.st_dev == listening.device && info.st_ino == listening.inode) {
    ::unlink(listening.address.c_str());
  }
}

}  // namespace axollama::net
