// Whose request it is, for the fairness between clients: the address that it comes from, or what a
// trusted proxy says of it. It grants nothing.
//
// Owner and threads: constant after construction.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "net/network.h"

namespace axollama::server {

class ClientNames {
 public:
  // `header`: in which `proxies` name the client; of X-Forwarded-For the last address that is no
  // proxy's counts.
  ClientNames(std::vector<net::Network> proxies, std::string header);

  // Never empty.
  std::string Of(const net::Request& request) const;

 private:
  bool Trusted(std::string_view address) const;

  const std::vector<net::Network> proxies_;
  const std::string header_;
};

}  // namespace axollama::server
