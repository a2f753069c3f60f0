// What a Host header may name: the guard against DNS rebinding, where a web page has its own name
// resolve to this server's address and so becomes its "same origin".
//
// A browser always sends the name that it asked for, so a name that no stranger can have resolve as
// he likes proves that the page is none of his.
// Owner: whoever checks requests. Threads: constant after construction.
// Source: facts 1.2 of the Ollama API (`OfThisMachine`).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace axollama::server {

class HostNames {
 public:
  // `hostname`: this machine's. `allowed`: further names, lower case; ".example.com" is every one
  // below it.
  explicit HostNames(std::string hostname, std::vector<std::string> allowed = {});

  // Ollama's rule for loopback listeners, and `allowed`. Without a Host: true.
  bool OfThisMachine(std::string_view host_header) const;
  // Whether no public name server can say where it leads: an address, a single word, a name of a
  // local network (.local, .lan, .internal, .home.arpa), the machine's, or an allowed one. Browsers
  // leave no Host out, so true without one.
  bool CannotBeRebound(std::string_view host_header) const;

 private:
  bool Allowed(std::string_view host) const;

  const std::string hostname_;
  const std::vector<std::string> allowed_;
};

}  // namespace axollama::server
