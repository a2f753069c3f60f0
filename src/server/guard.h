// Who may use which route: by where a request comes from, and by its API key.
//
// A client is near when it is on this computer or in one of the allowed networks; a near one needs
// no key. One from beyond may ask models as long as there are no keys; once there are, it must show
// one whose scopes cover the route. Managing and metrics always take a key from there. The answer
// is 403, never 401, which a stock Ollama in front of this server would take for its own sign-in.
//
// What a proxy says about its client (X-Forwarded-For) is believed of trusted proxies alone. From
// anybody else such a header only shows that the client is not near, so it can cost rights and
// never give any.
//
// A near client's browser may show a page of a stranger, whose name leads here by now. So what a
// Host names must be out of strangers' reach (HostNames::CannotBeRebound), or nearness counts for
// nothing.
//
// Owner: Routes. Threads: any.
// Sources: facts 2.2 of the Ollama API; peers section 5.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "keys/keys.h"
#include "net/http.h"
#include "net/network.h"
#include "server/host_names.h"

namespace axollama::server {

// What a route asks of its clients.
enum class Need { kManage, kMetrics, kInference, kNothing };

struct GuardOptions {
  std::vector<net::Network> near;     // beside this computer itself
  std::vector<net::Network> proxies;  // whose X-Forwarded-For is believed
  std::string hostname;               // this machine's
  std::vector<std::string> hosts;     // further names of this server, see HostNames
  bool key_always = false;            // near clients need a key too
  std::filesystem::path keys;         // empty: keys::DefaultPath()
};

class Guard {
 public:
  explicit Guard(GuardOptions options);

  // Nothing: go on. Else why the request is refused, with what to do.
  std::optional<std::string> Refusal(const net::Request& request, Need need) const;

  // The name of the API key that the request shows; empty: none that there is.
  std::string KeyName(const net::Request& request) const;

  // The line for the log about a listener's address: who reaches it, and what they may do.
  std::string Consequences(std::string_view address) const;

 private:
  bool IsNear(const net::Request& request) const;

  const GuardOptions options_;
  const HostNames hosts_;
  mutable keys::Keyring keys_;
};

// Spaces around each are allowed.
Result<std::vector<net::Network>> ParseNetworks(const std::vector<std::string>& texts);
// Names without scheme and port, as HostNames takes them: whatever their case.
Result<std::vector<std::string>> ParseHosts(const std::vector<std::string>& texts);

}  // namespace axollama::server
