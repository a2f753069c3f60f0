// One request to one URL, without redirects: what libcurl calls back while it works. Private to the
// room.
//
// Owner: Fetcher, for the length of a hop. Threads: the one that runs the request.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <optional>
#include <string>

#include "net/fetch.h"
#include "net/fetch_url.h"

namespace axollama::net {

struct FetchHop {
  FetchHop(const FetchRequest& wanted, const FetchUrl& to) : request(wanted), url(to) {}

  const FetchRequest& request;
  const FetchUrl& url;
  std::string proxy;             // "": none
  bool private_allowed = false;  // may connect to private addresses
  bool follow = true;            // an answer that redirects is not the caller's

  int status = 0;
  Headers headers;
  size_t header_bytes = 0;
  bool head_done = false;
  uint64_t body_bytes = 0;
  std::string refused;         // the address that was not allowed
  std::optional<Error> error;  // what ends the request
  std::chrono::steady_clock::time_point last_sign = std::chrono::steady_clock::now();

  bool Redirects() const;
  // Sets the options of `easy`; `headers` must live as long as it runs.
  void Apply(CURL* easy, curl_slist* headers, const FetchOptions& options,
             const std::string& ca_file);
  // What the transfer's end means.
  Status Finish(CURLcode code, const char* details);
  std::string Peer() const;  // "huggingface.co", for errors

 private:
  static size_t OnHeader(char* data, size_t size, size_t count, void* self);
  static size_t OnBody(char* data, size_t size, size_t count, void* self);
  static curl_socket_t OnSocket(void* self, curlsocktype purpose, curl_sockaddr* address);
  bool TakeHeader(std::string_view line);
  bool TakeBody(std::string_view bytes);
  bool EndHead();
};

}  // namespace axollama::net
