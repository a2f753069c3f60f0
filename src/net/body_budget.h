// What all requests that are being received or handled may hold in memory together. Private to the
// room.
//
// One client has at most half of it, so that slow uploads of one do not shut out the others; long
// bodies have at most three quarters of either, so that they leave room for short ones.
// Owner: Core. Threads: the server's.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

namespace axollama::net {

// Whose budget a peer's bytes count for: an address, of IPv6 its network of 64 bits.
std::string ClientOf(const std::string& peer);

class BodyBudget {
 public:
  explicit BodyBudget(size_t total_bytes) : total_bytes_(total_bytes) {}

  // Counts what a request of `client` holds as `bytes`, where `*held` were counted before. False:
  // more than there may be; it is counted all the same, until the caller gives it up.
  bool Count(const std::string& client, size_t* held, size_t bytes);

 private:
  const size_t total_bytes_;
  size_t used_bytes_ = 0;
  std::unordered_map<std::string, size_t> clients_;  // of those that hold any
};

}  // namespace axollama::net
