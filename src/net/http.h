// HTTP requests and responses as the rest of axollama sees them. No Boost in here.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

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

// A body that still arrives while its request is handled.
class BodySource {
 public:
  using Sink = std::function<Status(std::string_view bytes)>;
  virtual ~BodySource() = default;
  // Gives the whole body to `sink` in pieces. Once; on the handler's thread. The sink's error ends
  // it, as does a client that goes or sends nothing for too long.
  virtual Status Read(const Sink& sink) = 0;
};

struct Request {
  std::string method;  // "GET"
  std::string path;    // decoded, without the query: "/api/tags"
  std::string query;   // raw, without '?'
  Headers headers;
  std::string body;
  std::shared_ptr<BodySource> source;  // instead of `body`, see ServerOptions::streams_body
  std::string peer;                    // "127.0.0.1:40312", or "unix"
  std::string local;  // the listener's own address: "127.0.0.1:11434", or the socket's path
  bool local_is_loopback = false;  // of a TCP listener; false for a Unix socket

  // The body, wherever it is.
  Status ReadBody(const BodySource::Sink& sink) const {
    return source ? source->Read(sink) : sink(body);
  }
};

}  // namespace axollama::net
