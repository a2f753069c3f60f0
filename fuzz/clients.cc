// Who a client is and what it may do: hosts, origins, addresses, keys and what proxies say. The
// input is lines `Name: value`; the first is the peer's address.
#include "fuzz/input.h"
#include "net/http.h"
#include "server/access.h"
#include "server/client_names.h"
#include "server/guard.h"

namespace fuzz = axollama::fuzz;
namespace net = axollama::net;
namespace server = axollama::server;

namespace {

server::GuardOptions Options() {
  server::GuardOptions options;
  options.near = *server::ParseNetworks({"10.0.0.0/8", "fd00::/8"});
  options.proxies = *server::ParseNetworks({"10.9.0.0/16"});
  options.hostname = "kiosk";
  options.hosts = {"ai.example.com", ".example.net"};
  options.keys = fuzz::Folder() / "none.json";
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const server::GuardOptions options = Options();
  static const server::Guard guard(options);
  static const server::ClientNames names(options.proxies, "X-Forwarded-For");
  std::string_view text = fuzz::Text(data, size);
  net::Request request;
  request.method = "POST";
  request.path = "/api/pull";
  for (bool first = true; !text.empty(); first = false) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t colon = line.find(": ");
    if (first) {
      request.peer = line;
    } else if (colon != std::string_view::npos) {
      request.headers.list.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
  }
  fuzz::Check(server::ParseNetworks({std::string(request.headers.Get("Network"))}));
  fuzz::Check(server::ParseHosts({std::string(request.headers.Get("Host"))}));
  fuzz::Require(!names.Of(request).empty(), "every client has a name");
  const server::AccessRules rules(request.headers.Get("Origins"), server::HostNames("kiosk"));
  for (const bool loopback : {false, true}) {
    request.local_is_loopback = loopback;
    const auto verdict = rules.Check(request);
    fuzz::Require(verdict.refuse == 0 || verdict.refuse == 204 || verdict.refuse == 403,
                  "a verdict is one of three");
  }
  const bool manages = !guard.Refusal(request, server::Need::kManage);
  const bool asks = !guard.Refusal(request, server::Need::kInference);
  fuzz::Require(asks, "without keys everybody may ask models");
  if (!manages) return 0;
  const auto address = net::ParseIp(request.peer);
  fuzz::Require(request.peer == "unix" ||
                    (address && (address->is_loopback() || options.near[0].Contains(*address) ||
                                 options.near[1].Contains(*address))),
                "whoever manages without a key is near");
  const server::HostNames hosts(options.hostname, options.hosts);
  fuzz::Require(request.peer == "unix" || hosts.CannotBeRebound(request.headers.Get("Host")),
                "and says no stranger's name");
  return 0;
}
