// Who may talk to the server from a browser: Ollama's Host check and CORS rules (facts 1.2).
//
// Owner and threads: AccessRules is constant after construction; plain functions.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http.h"
#include "server/host_names.h"

namespace axollama::server {

class AccessRules {
 public:
  // `extra_origins`: OLLAMA_ORIGINS, a list with commas. Hosts are checked on loopback listeners.
  AccessRules(std::string_view extra_origins, HostNames hosts);

  struct Verdict {
    int refuse = 0;  // 0: go on. Otherwise answer with this status and an empty body
    std::vector<std::pair<std::string, std::string>> headers;  // of either answer
  };
  Verdict Check(const net::Request& request) const;

  bool AllowsOrigin(std::string_view origin) const;

 private:
  // `prefix*suffix`, or the whole without a star.
  struct Pattern {
    std::string prefix, suffix;
    bool star = false;
  };
  bool all_origins_ = false;
  std::vector<Pattern> origins_;
  HostNames hosts_;
};

}  // namespace axollama::server
