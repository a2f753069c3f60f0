// OLLAMA_HOST as Ollama reads it (envconfig.Host), by the server and by the command line.
//
// `[scheme://]host[:port][/path]`; every part may be missing. Without a scheme the port is 11434,
// with one it is 80 or 443. A port that is not one becomes the default, with a warning.
// Threads: plain functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace axollama {

struct OllamaHost {
  std::string scheme = "http";
  std::string host = "127.0.0.1";  // without brackets; "" means every address, or the own machine
  uint16_t port = 11434;
  std::string path;     // without the leading '/'
  std::string warning;  // "" or one line about what was not understood

  // "127.0.0.1:11434", "[::1]:80", ":1234": what a listener binds.
  std::string ListenAddress() const;
  // The same as a client dials it: no host and the unspecified addresses become loopback.
  std::string DialAddress() const;
};

OllamaHost ParseOllamaHost(std::string_view value);
// Of the variable OLLAMA_HOST; unset or empty gives the defaults.
OllamaHost OllamaHostFromEnv();

}  // namespace axollama
