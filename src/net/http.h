// HTTP requests and responses as the rest of axollama sees them. No Boost in here.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace axollama::net {

// Header names are equal whatever their case.
bool SameName(std::string_view a, std::string_view b);

// In order of arrival; names compare without case.
struct Headers {
  std::vector<std::pair<std::string, std::string>> list;
  // The first value of `name`, or "".
  std::string_view Get(std::string_view name) const;
  void Set(std::string name, std::string value);  // replaces or appends
};

struct Request {
  std::string method;  // "GET"
  std::string path;    // decoded, without the query: "/api/tags"
  std::string query;   // raw, without '?'
  Headers headers;
  std::string body;
  std::string peer;   // "127.0.0.1:40312", or "unix"
  std::string local;  // the listener's own address: "127.0.0.1:11434", or the socket's path
  bool local_is_loopback = false;  // of a TCP listener; false for a Unix socket
};

}  // namespace axollama::net
