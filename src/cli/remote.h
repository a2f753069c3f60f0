// A server as the command line sees it: Ollama's API at one address.
//
// Owner: the caller. Threads: one thread makes calls; Interrupt may come from another.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "net/client.h"

namespace axollama::cli {

class Remote {
 public:
  // `prefix`: goes before each path, "" or "/path".
  explicit Remote(std::string address, std::string prefix = "")
      : address_(std::move(address)), prefix_(std::move(prefix)) {}
  // The server named by OLLAMA_HOST. Only http is spoken: https is kInvalid.
  static Result<std::unique_ptr<Remote>> FromEnvironment();

  const std::string& address() const { return address_; }

  // GET or POST with one JSON answer. An answer with another status than 200 is an error with the
  // server's own words; no server at the address is kUnavailable and says how to start one.
  Result<json::Object> Get(std::string_view path);
  Result<json::Object> Post(std::string_view path, const json::Object& body);

  // The same where nothing is said on success.
  Status Send(std::string_view method, std::string_view path, const json::Object& body);

  // Whether the server has these bytes; and bringing them there. `digest` is "sha256:...".
  Result<bool> HasBlob(std::string_view digest);
  Status Upload(std::string_view digest, std::string_view bytes);

  // POST with one JSON object per line. `on_object` returns an error to end the call. An
  // {"error":...} line is an error, and so is a stream that ends without `"done":true` or
  // `"status":"success"`.
  Status Stream(std::string_view path, const json::Object& body,
                const std::function<Status(const json::Object&)>& on_object);

  // Makes the call under way, and every later one, fail with kCancelled.
  void Interrupt();
  // After it: calls succeed again.
  void Resume();

 private:
  Result<std::unique_ptr<net::ClientCall>> Start(net::ClientRequest request);
  // The body of an answer whose status is 200 or 201.
  Result<std::string> Body(net::ClientRequest request);
  Result<json::Object> Whole(net::ClientRequest request);
  Status FailedAnswer(net::ClientCall& call);
  // While a call is under way Interrupt reaches it through here.
  void SetCurrent(net::ClientCall* call);

  const std::string address_, prefix_;
  std::mutex mutex_;
  net::ClientCall* current_ = nullptr;
  bool interrupted_ = false;
};

}  // namespace axollama::cli
